//! The designs of torchvision's networks, and a cheap network of each.

use neuron_model::Architecture;

/// By how names begin, with the member of each design that every change is held against. All others are compared by
/// `scripts/architectures.sh`.
const DESIGNS: &[(&str, &str)] = &[
    ("alexnet", "alexnet"),
    ("convnext", "convnext_tiny"),
    ("densenet", "densenet121"),
    ("efficientnet", "efficientnet_b0"),
    ("googlenet", "googlenet"),
    ("inception", "inception_v3"),
    ("maxvit", "maxvit_t"),
    ("mnasnet", "mnasnet0_5"),
    ("mobilenet_v2", "mobilenet_v2"),
    ("mobilenet_v3", "mobilenet_v3_small"),
    ("regnet", "regnet_y_400mf"),
    ("resnet", "resnet18"),
    ("resnext", "resnext50_32x4d"),
    ("shufflenet", "shufflenet_v2_x0_5"),
    ("squeezenet", "squeezenet1_1"),
    ("swin_v2", "swin_v2_t"),
    ("swin", "swin_t"),
    ("vgg", "vgg11_bn"),
    ("vit", "vit_b_32"),
    ("wide_resnet", "resnet18"),
];

/// Networks of this project's own.
const OWN: &[&str] = &["resnet10_demo", "densenet_demo", "vit_demo"];

/// Networks that others than torchvision have, by what their names begin with or hold (`vit_tiny_patch16_224` is timm's).
const OF_OTHERS: &[&str] = &["_patch", "clip_vit", "dinov2"];

/// Whether torchvision has a network of that name.
fn is_torchvisions(name: &str) -> bool {
    !OWN.contains(&name) && !OF_OTHERS.iter().any(|part| name.contains(part))
}

/// The known networks that torchvision has.
pub(crate) fn known() -> impl Iterator<Item = &'static str> {
    Architecture::names().filter(|name| is_torchvisions(name))
}

/// A member of every design that is known, without repetition.
///
/// # Panics
/// If a network is of none that is listed: a new design must not go untested.
pub(crate) fn representatives() -> Vec<&'static str> {
    let of = |name: &str| {
        let design = DESIGNS.iter().find(|(prefix, _)| name.starts_with(prefix));
        design.unwrap_or_else(|| panic!("{name} is of no design that is listed here: add it to DESIGNS")).1
    };
    let mut names: Vec<&str> = known().map(of).collect();
    names.sort_unstable();
    names.dedup();
    names
}
