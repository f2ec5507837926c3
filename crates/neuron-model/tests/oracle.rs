//! Independent implementations of the same networks: those of candle-transformers, on random weights.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, ModuleT, Tensor};
use candle_nn::VarBuilder;
use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, Network, Weights};

/// A sequence of numbers in -0.5..0.5 that looks random.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    fn take(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }
}

/// Random weights of a size that keeps activations near 1.
fn random_weights(name: &str, noise: &mut Noise) -> Weights {
    let graph = Architecture::from_name(name).unwrap().graph(&Weights::default());
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let len: usize = shape.iter().product();
        let scale = (12.0 / (len / shape[0]) as f32).sqrt();
        let change = |value: f32| match name.rsplit('.').next() {
            Some("running_var") => value + 1.0,
            Some("weight" | "layer_scale") if shape.len() == 1 || name.ends_with("layer_scale") => {
                0.7 + value
            }
            Some("weight") => value * scale,
            _ => 0.2 * value,
        };
        let data: Vec<f32> = noise.take(len).into_iter().map(change).collect();
        (name.clone(), WeightTensor::new(shape.clone(), data))
    });
    Weights::from_tensors(tensors.collect::<Vec<_>>(), BTreeMap::new())
}

/// Some tensors under the names, and in the shapes, that candle-transformers gives them.
fn renamed<'a>(
    weights: &Weights,
    change: impl Fn(&str, &WeightTensor) -> (String, WeightTensor),
) -> VarBuilder<'a> {
    let tensors = weights.iter().map(|(name, tensor)| {
        let (name, tensor) = change(name, tensor);
        let values = Tensor::from_slice(&tensor.data, tensor.shape.as_slice(), &Device::Cpu).unwrap();
        (name, values)
    });
    VarBuilder::from_tensors(tensors.collect(), DType::F32, &Device::Cpu)
}

/// Holds the logits of a network against those that candle-transformers computes.
///
/// # Shapes
/// * `shape`: images, height and width
fn compare(name: &str, shape: [usize; 3], noise: &mut Noise, candle: impl Fn(&Weights, &Tensor) -> Tensor) {
    let weights = random_weights(name, noise);
    let [items, height, width] = shape;
    let images = noise.take(items * 3 * height * width);
    let images = Tensor::from_vec(images, (items, 3, height, width), &Device::Cpu).unwrap();
    let want = candle(&weights, &images);
    let network = Network::new(name, weights, 2).unwrap();
    let logits = network.graph().taps().max_by_key(|tap| tap.node).unwrap().name;
    let got = network.activations(&images, &[&logits]).unwrap().remove(0).flatten_from(1).unwrap();
    // The VGG of candle-transformers has a ReLU behind its logits.
    let got = if name.starts_with("vgg") { got.relu().unwrap() } else { got };
    let error = difference(&got, &want);
    println!("{name}: relative error {error:.1e}");
    assert!(error < 1e-4, "{name}: relative error {error:e}");
}

/// The largest difference, in parts of the largest value.
fn difference(got: &Tensor, want: &Tensor) -> f32 {
    let largest =
        |t: &Tensor| t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
    largest(&(got - want).unwrap()) / largest(want)
}

fn unchanged(name: &str, tensor: &WeightTensor) -> (String, WeightTensor) {
    (name.to_owned(), tensor.clone())
}

#[test]
fn residual_networks_agree() {
    use candle_transformers::models::resnet::{resnet18, resnet50};
    let mut noise = Noise(1);
    // Height and width differ, so that mixing them up shows.
    compare("resnet18", [2, 64, 96], &mut noise, |weights, images| {
        images.apply(&resnet18(1000, renamed(weights, unchanged)).unwrap()).unwrap()
    });
    compare("resnet50", [2, 64, 96], &mut noise, |weights, images| {
        images.apply(&resnet50(1000, renamed(weights, unchanged)).unwrap()).unwrap()
    });
}

/// Its classifier is named as by timm, and is a convolution there; it takes no other size, and one image at a time.
#[test]
#[ignore = "3 GB of memory, and a quarter of a minute"]
fn sweep_vgg_agrees() {
    use candle_transformers::models::vgg::{Models, Vgg};
    let change = |name: &str, tensor: &WeightTensor| {
        let (own, shape) = match name {
            "classifier.0.weight" => ("pre_logits.fc1.weight", vec![4096, 512, 7, 7]),
            "classifier.0.bias" => ("pre_logits.fc1.bias", vec![4096]),
            "classifier.3.weight" => ("pre_logits.fc2.weight", vec![4096, 4096, 1, 1]),
            "classifier.3.bias" => ("pre_logits.fc2.bias", vec![4096]),
            "classifier.6.weight" => ("head.fc.weight", vec![1000, 4096]),
            "classifier.6.bias" => ("head.fc.bias", vec![1000]),
            other => (other, tensor.shape.clone()),
        };
        (own.to_owned(), WeightTensor { shape, data: tensor.data.clone() })
    };
    compare("vgg13", [1, 224, 224], &mut Noise(2), |weights, images| {
        let model = Vgg::new(renamed(weights, change), Models::Vgg13).unwrap();
        model.forward_t(&images.get(0).unwrap(), false).unwrap()
    });
}

/// Its modules are named as by timm.
#[test]
fn convnext_agrees() {
    use candle_transformers::models::convnext::{Config, convnext};
    let change = |name: &str, tensor: &WeightTensor| {
        let parts: Vec<&str> = name.split('.').collect();
        let stage = |stage: &str| stage.parse::<usize>().unwrap() / 2;
        let (name, shape) = match parts[..] {
            ["features", "0", layer, last] => (format!("stem.{layer}.{last}"), tensor.shape.clone()),
            ["features", at, block, "layer_scale"] => {
                (format!("stages.{}.blocks.{block}.gamma", stage(at)), vec![tensor.data.len()])
            }
            ["features", at, block, "block", layer, last] => {
                let layer = match layer {
                    "0" => "conv_dw",
                    "2" => "norm",
                    "3" => "mlp.fc1",
                    "5" => "mlp.fc2",
                    other => panic!("layer {other}"),
                };
                (format!("stages.{}.blocks.{block}.{layer}.{last}", stage(at)), tensor.shape.clone())
            }
            ["features", at, layer, last] => {
                (format!("stages.{}.downsample.{layer}.{last}", stage(at)), tensor.shape.clone())
            }
            ["classifier", "0", last] => (format!("head.norm.{last}"), tensor.shape.clone()),
            ["classifier", "2", last] => (format!("head.fc.{last}"), tensor.shape.clone()),
            _ => panic!("tensor {name}"),
        };
        (name, WeightTensor { shape, data: tensor.data.clone() })
    };
    compare("convnext_tiny", [2, 64, 96], &mut Noise(3), |weights, images| {
        images.apply(&convnext(&Config::tiny(), 1000, renamed(weights, change)).unwrap()).unwrap()
    });
}

/// Its modules are named as by transformers; it ends before the projection.
#[test]
#[ignore = "seconds"]
fn sweep_clip_agrees() {
    use candle_nn::{Linear, Module};
    use candle_transformers::models::clip::vision_model::{ClipVisionConfig, ClipVisionTransformer};
    compare("clip_vit_b_32", [2, 224, 224], &mut Noise(5), |weights, images| {
        let builder = renamed(weights, unchanged);
        let projection = builder.get((512, 768), "visual_projection.weight").unwrap();
        let config = ClipVisionConfig::vit_base_patch32();
        let tower = ClipVisionTransformer::new(builder.pp("vision_model"), &config).unwrap();
        Linear::new(projection, None).forward(&tower.forward(images).unwrap()).unwrap()
    });
}

/// Its modules are named as by transformers, with queries, keys and values apart.
#[test]
fn vision_transformers_agree() {
    use candle_transformers::models::vit::{Config, Model};
    let config = Config {
        hidden_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 128,
        hidden_act: candle_nn::Activation::Gelu,
        layer_norm_eps: 1e-6,
        image_size: 64,
        patch_size: 8,
        num_channels: 3,
        qkv_bias: true,
    };
    let own = |name: &str| -> String {
        let layer = name.strip_prefix("encoder.layers.encoder_layer_").and_then(|rest| rest.split_once('.'));
        let Some((number, part)) = layer else {
            return match name {
                "class_token" => "vit.embeddings.cls_token".to_owned(),
                "encoder.pos_embedding" => "vit.embeddings.position_embeddings".to_owned(),
                other => other
                    .replace("conv_proj", "vit.embeddings.patch_embeddings.projection")
                    .replace("encoder.ln", "vit.layernorm")
                    .replace("heads.head", "classifier"),
            };
        };
        let part = part
            .replace("ln_1", "layernorm_before")
            .replace("ln_2", "layernorm_after")
            .replace("self_attention.out_proj", "attention.output.dense")
            .replace("mlp.0", "intermediate.dense")
            .replace("mlp.3", "output.dense");
        format!("vit.encoder.layer.{number}.{part}")
    };
    compare("vit_demo", [2, 64, 64], &mut Noise(6), |weights, images| {
        let mut tensors = HashMap::new();
        for (name, tensor) in weights.iter() {
            let values = Tensor::from_slice(&tensor.data, tensor.shape.as_slice(), &Device::Cpu).unwrap();
            let name = own(name);
            let Some((before, last)) = name.split_once("self_attention.in_proj_") else {
                tensors.insert(name, values);
                continue;
            };
            for (part, values) in ["query", "key", "value"].into_iter().zip(values.chunk(3, 0).unwrap()) {
                tensors.insert(format!("{before}attention.attention.{part}.{last}"), values);
            }
        }
        let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Model::new(&config, 1000, builder).unwrap().forward(images).unwrap()
    });
}

/// At the size of its table of positions, which candle-transformers enlarges otherwise. Its head reads the class token and
/// the mean of the others. It adds 1e-5 to variances, and the paper's authors 1e-6, which random weights show: 4e-4.
#[test]
#[ignore = "seconds"]
fn sweep_dinov2_agrees() {
    use candle_transformers::models::dinov2::vit_small;
    let (classes, width, side) = (1000, 384, 518);
    let mut noise = Noise(7);
    let weights = random_weights("dinov2_vits14", &mut noise);
    let tensor = |values: Vec<f32>, shape: &[usize]| Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    let head = tensor(noise.take(classes * 2 * width), &[classes, 2 * width]);
    let images = tensor(noise.take(3 * side * side), &[1, 3, side, side]);
    let own = weights.iter().map(|(name, own)| (name.to_owned(), tensor(own.data.to_vec(), &own.shape)));
    let mut tensors: HashMap<String, Tensor> = own.collect();
    tensors.insert("head.weight".to_owned(), head.clone());
    tensors.insert("head.bias".to_owned(), tensor(vec![0.0; classes], &[classes]));
    let model = vit_small(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)).unwrap();
    let want = images.apply(&model).unwrap();

    let network = Network::new("dinov2_vits14", weights, 2).unwrap();
    let tokens = network.activations(&images, &["norm"]).unwrap().remove(0).squeeze(2).unwrap();
    let tokens = tokens.transpose(1, 2).unwrap();
    let grid = tokens.narrow(1, 1, tokens.dims()[1] - 1).unwrap().mean(1).unwrap();
    let read = Tensor::cat(&[&tokens.narrow(1, 0, 1).unwrap().squeeze(1).unwrap(), &grid], 1).unwrap();
    let got = read.matmul(&head.t().unwrap()).unwrap();
    let error = difference(&got, &want);
    assert!(error < 1e-3, "relative error {error:e}");
}

/// It pads as TensorFlow does, which is the same where every strided convolution sees odd sizes, and adds 1e-3 to
/// variances, where torchvision's adds 1e-5.
#[test]
fn efficientnet_agrees() {
    use candle_transformers::models::efficientnet::{EfficientNet, MBConvConfig};
    let change = |name: &str, tensor: &WeightTensor| {
        let is_variance = name.ends_with(".running_var");
        let less = |variance: &f32| (f64::from(*variance) + 1e-5 - 1e-3) as f32;
        let tensor = match is_variance {
            true => WeightTensor::new(tensor.shape.clone(), tensor.data.iter().map(less).collect::<Vec<_>>()),
            false => tensor.clone(),
        };
        (name.to_owned(), tensor)
    };
    compare("efficientnet_b0", [2, 65, 97], &mut Noise(4), |weights, images| {
        let model = EfficientNet::new(renamed(weights, change), MBConvConfig::b0(), 1000).unwrap();
        images.apply(&model).unwrap()
    });
}
