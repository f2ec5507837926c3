use super::{Made, safetensors};
use crate::checkpoint;

pub(super) fn seeds() -> Vec<Made> {
    let mut seeds: Vec<Made> =
        PICKLES.iter().map(|(name, pickle)| ("pickle", *name, pickle.to_vec())).collect();
    for (name, pickle) in PICKLES {
        let (zip, legacy) = match *name {
            "ok-protocol-2" => ("ok-zip-2", "ok-legacy-2"),
            "ok-protocol-4" => ("ok-zip-4", "ok-legacy-4"),
            _ => continue,
        };
        seeds.push(("torch", zip, checkpoint::zip(pickle)));
        seeds.push(("torch", legacy, checkpoint::legacy(pickle)));
    }
    let with_metadata = r#"{"__metadata__":{"arch":"resnet50","resize":"256","crop":"224","interpolation":"bilinear","mean":"0.5,0.5,0.5","std":"[0.25, 0.25, 0.25]","labels":"[\"a\"]"},"module.fc.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"module.fc.bias":{"dtype":"F16","shape":[2],"data_offsets":[24,28]}}"#;
    let of_all_types = r#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[8,12]},"n":{"dtype":"I64","shape":[],"data_offsets":[12,20]},"o":{"dtype":"F32","shape":[0,7],"data_offsets":[20,20]}}"#;
    let beyond_its_end = r#"{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}"#;
    let index = r#"{"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
    seeds.extend([
        ("safetensors", "ok-metadata", safetensors(with_metadata, &[0; 28])),
        ("safetensors", "ok-types", safetensors(of_all_types, &[0x3f; 20])),
        ("safetensors", "beyond-its-end", safetensors(beyond_its_end, &[0; 4])),
        ("shards", "ok-two", index.into()),
        ("shards", "elsewhere", br#"{"weight_map":{"a":"../model.safetensors"}}"#.to_vec()),
    ]);
    seeds
}

const PICKLES: &[(&str, &[u8])] = &[
    ("ok-protocol-2", PROTOCOL_2),
    ("ok-protocol-4", PROTOCOL_4),
    ("namespace", b"\x80\x02}(X\x04\0\0\0argscargparse\nNamespace\n)\x81}X\x02\0\0\0lrK\x01sbu."),
    ("cycle", b"\x80\x02}q\0X\x01\0\0\0ah\0s."),
    ("operations", b"\x80\x02(]q\x00K\x01aJ\xff\xff\xff\x7fM\x01\x02\x8a\x02\x01\x80G?\xf0\0\0\0\0\0\0\x88\x89Ne\x8f(K\x02\x90(K\x03\x91\x85\x86\x872(01h\x00q\x01j\x01\0\0\0r\x02\0\0\0C\x01\xffU\x01aT\x01\0\0\0bB\x01\0\0\0c\x8e\x01\0\0\0\0\0\0\0d\x96\x01\0\0\0\0\0\0\0eo."),
    ("runs-something", b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."),
];

/// `{"model": {"fc.weight": <[2, 3] of storage 0>, "fc.bias": Parameter(<[3, 2] across storage 1>)}, "epoch": 3}`.
const PROTOCOL_2: &[u8] = b"\x80\x02}q\0(X\x05\0\0\0modelq\x01ccollections\nOrderedDict\n)R(X\x09\0\0\0fc.weightctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x18tQK\x01K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtRX\x07\0\0\0fc.biasctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x001X\x03\0\0\0cpuK\x18tQK\0K\x03K\x02\x86K\x01K\x03\x86\x89ccollections\nOrderedDict\n)RtR\x88ccollections\nOrderedDict\n)RtRuX\x05\0\0\0epochK\x03u.";

/// `{"w": <[2] of storage 0>}` with short texts, names from the stack and a frame, and storage 1 as integers.
const PROTOCOL_4: &[u8] = b"\x80\x04\x95\xb0\0\0\0\0\0\0\0}\x94(\x8c\x01w\x94\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94((\x8c\x07storage\x94\x8c\x05torch\x94\x8c\x0cFloatStorage\x94\x93\x94\x8c\x010\x94\x8c\x03cpu\x94K\x18t\x94QK\0K\x02\x85\x94K\x01\x85\x94\x89}\x94t\x94R\x94\x8c\x01n\x94h\x04((h\x05h\x06\x8c\x0aIntStorage\x94\x93\x94\x8c\x011\x94h\x0aK\x18t\x94QK\0))\x89}\x94t\x94R\x94u.";
