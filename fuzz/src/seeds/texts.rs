use super::{Made, safetensors};

pub(super) fn seeds() -> Vec<Made> {
    let texts: [Made; 18] = [
        ("list", "ok-paths", b"a/1.png\nb/1.png\r\n\n#1.png\n# a comment\na/2.png".to_vec()),
        ("list", "ok-marked", b"\xef\xbb\xbfa/1.png\na/1.png\n".to_vec()),
        ("list", "moved", b"old/a/1.png\n./old/../old/b/1.png\nold\n".to_vec()),
        ("list", "labels", b"a/1.png 3\n\"a/2.png\"\na\\1.png\nfile://a/1.png\n".to_vec()),
        ("list", "utf-16", b"\xff\xfea\0/\x001\0.\0p\0n\0g\0\n\0".to_vec()),
        ("list", "latin-1", b"a/caf\xe9.png\n".to_vec()),
        ("heat_map", "ok-unit", safetensors(HEAT_MAP, &[])),
        ("heat_map", "no-unit", safetensors("{}", &[])),
        ("record", "ok-reached", RECORD.into()),
        ("record", "other", br#"{"loss": []}"#.to_vec()),
        ("manifest", "ok-select-images", MANIFEST.into()),
        ("manifest", "ok-bytes", br#"{"scan":{"command":"baseline","neuron_version":"0.1.0","settings":{"arch":"resnet50","layer":"layer4","data":{"bytes":[47,255]},"channels":[0,1,2,5]}},"skipped":[1]}"#.to_vec()),
        ("manifest", "other", br#"{"name": "a web page"}"#.to_vec()),
        ("flags", "ok-of-fvis", FLAGS.into()),
        ("configuration", "ok-timm", TIMM.into()),
        ("configuration", "ok-transformers", TRANSFORMERS.into()),
        ("configuration", "ok-open-clip", OPEN_CLIP.into()),
        ("configuration", "other", br#"{"architectures": ["ResNet"]}"#.to_vec()),
    ];
    texts.into()
}

const HEAT_MAP: &str = r#"{"__metadata__":{"arch":"resnet50","layer":"layer4","channel":"1","method":"LRP","image":"photos/1.png"},"layer3":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#;

const RECORD: &str = r#"{"neuron_version":"0.1.0","arch":"resnet50","layer":"layer4.2","channel":1,"seed":0,
"settings":{"method":"LRP","size":[64,64],"schedule":{"phases":[{"steps":3,"jitter_px":30}]}},"references_are":"images",
"references":["a"],"steps":3,"finished":true,"loss":[3.0,2.0,1.0],"terms":{"tv_l1":[0.0,0.0,0.0]},"inputs":{"data":"photos"},
"activation":{"max":{"value":12.5,"references":10.0,"ratio":1.25,"percentile":1.0},"mean":{"value":1.5}}}
"#;

const MANIFEST: &str = r#"{"scan":{"command":"select-images","images":12,"neuron_version":"0.1.0","weights_sha256":"00ff",
"settings":{"arch":"resnet50","data":"photos","layers":[{"typed":"layer4","tap":"layer4","channels":[0,1,2],"map_width":7}],
"topk_images":12,"split":"train","split_n":null,"reduction":"max"}},"layer":"layer4","skipped":0}
"#;

const FLAGS: &str = r#"data = "photos"
threads = 2
[fvis]
lr = 0.5
channels = [1, 2]
do-flip = true
layer-weights = "0.1,1,1,1,0"
[baseline]
chs = "0-3,9"
"#;

const TIMM: &str = r#"{"architecture":"resnet50","num_classes":1000,"pretrained_cfg":{"tag":"tv_in1k",
"input_size":[3,224,224],"fixed_input_size":false,"interpolation":"bilinear","crop_pct":0.875,"crop_mode":"center",
"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}}
"#;

const OPEN_CLIP: &str = r#"{"model_cfg":{"embed_dim":512,"quick_gelu":true,"vision_cfg":{"image_size":224,"layers":12}},
"preprocess_cfg":{"mean":[0.48,0.46,0.41],"std":[0.27,0.26,0.28],"interpolation":"bicubic","resize_mode":"shortest"}}
"#;

const TRANSFORMERS: &str = r#"{"image_processor_type":"ConvNextImageProcessor","image_mean":[0.5,0.5,0.5],
"image_std":[0.5,0.5,0.5],"size":{"shortest_edge":224},"crop_pct":0.875,"crop_size":{"height":224,"width":224},
"resample":3,"rescale_factor":0.00392156862745098,"do_resize":true,"do_center_crop":true,"do_normalize":true}
"#;
