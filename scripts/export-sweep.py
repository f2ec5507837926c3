"""Exports networks of torchvision and timm and holds every tap of `neuron` against what PyTorch computes in that module.

    pip install torch torchvision timm onnx onnxscript safetensors pillow numpy
    cargo build --release
    python scripts/export-sweep.py --work sweep --table sweep.md                    # all, in both formats: hours
    python scripts/export-sweep.py --work sweep --torchvision --format pt2 --only 'resnet|vit'
    python scripts/export-sweep.py --work files --export-only --only resnet18       # files and references, no comparison

The weights are random (random_networks.py). Each network is made and compared in a process of its own, so that a crash
or a step that takes too long costs only that network. Results are lines of results.jsonl in the folder of --work; a
network that is there is left out unless --again. Files are deleted once they were compared, unless --keep.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import threading
import time

# Left out unless asked for.
LARGE = {"torchvision/vit_h_14", "torchvision/regnet_y_128gf", "timm/deepseek_vit_412m"}

# Of each of timm's model files the smallest architectures that begin with different words, at most three, or two of one
# kind; a few more where a file holds many kinds. timm 1.0.31.
TIMM = """
    beit_base_patch16_224 beitv2_base_patch16_224 halonet_h1 eca_botnext26ts_256 lambda_resnet26t sehalonet33ts
    mobileone_s1 gernet_s repvgg_a0 seresnet33ts regnetz_b16 resnet51q gcresnext26ts bat_resnext26ts cait_xxs24_224
    coat_tiny coat_lite_tiny convit_tiny convmixer_768_32 convmixer_1024_20_ks9_p14 convnext_zepto_rms convnextv2_atto
    cpubone_nano cpubone_t0 crossvit_tiny_240 crossvit_9_240 csatv2 cs3darknet_focus_s darknet17 cspresnext50
    cspnext_tiny cspnext_s davit_tiny deepseek_vit_412m deit_tiny_patch16_224 deit3_small_patch16_224 densenet121
    densenetblur121d dla46x_c dla60x_c dla34 dpn48b dpn68 edgenext_xx_small edgenext_x_small efficientformer_l1
    efficientformerv2_s0 efficientformerv2_s1 mobilenetv2_035 mnasnet_small efficientnet_lite0 fbnetc_100 mixnet_s
    mobilenetv1_100 tf_efficientnetv2_b0 efficientnet_es gc_efficientnetv2_rw_t semnasnet_075 efficientvim_m1
    efficientvim_m1_dist efficientvit_b0 efficientvit_b1 efficientvit_m0 efficientvit_m1 vit_tiny_patch16_dinov3_qkvb
    eva02_tiny_patch14_224 vit_small_patch16_rope_224 fasternet_t0 fasternet_t1 fastvit_t8 fastvit_t12
    focalnet_tiny_srf focalnet_tiny_lrf gcvit_xxtiny gemma4_vit_167m ghostnet_050 ghostnetv3_050 ghostnetv2_100
    hardcorenas_b hardcorenas_a hgnetv2_b0 hgnet_tiny hiera_tiny_224 hiera_small_abswin_256 sam2_hiera_tiny
    hieradet_small hrnet_w18_small hrnet_w18_small_v2 iformer_t iformer_s inception_next_atto inception_next_tiny
    inception_resnet_v2 inception_v3 inception_v4 lcnetv2_small lcnetv2_base levit_128s levit_128 lowformer_b0
    lowformer_b1 mambaout_femto mambaout_kobe maxvit_pico_rw_256 coatnet_pico_rw_224 coatnext_nano_rw_224
    maxvit_tiny_tf_224 coatnet_0_rw_224 poolformerv2_s12 poolformer_s12 caformer_s18 gmlp_ti16_224 gmixer_12_224
    resmlp_12_224 mobilenetv3_small_050 lcnet_035 mobilenetv4_conv_small_035 tf_mobilenetv3_small_minimal_100
    mobilenetv4_hybrid_medium mobilenetv5_base mobilevit_xxs mobilevitv2_050 mvitv2_tiny
    naflexvit_base_patch16_parfac_gap nasnetalarge nest_tiny nextvit_small nf_regnet_b0 eca_nfnet_l0 nfnet_l0 nfnet_f0
    dm_nfnet_f0 pit_ti_224 pit_ti_distilled_224 pnasnet5large pvt_v2_b0 pvt_v2_b1 qwen3_vit_88m rdnet_tiny regnetx_002
    regnety_002 regnetz_005 regnetv_040 repghostnet_050 repghostnet_058 repvit_m1 repvit_m0_9 res2next50
    res2net50_14w_8s resnest14d resnest26d resnest50d_1s4x24d resnet10t resnetblur18 seresnet18 resnet18
    resnext50_32x4d ecaresnet26t resnetaa50 seresnext26d_32x4d resnetrs50 resnet26d resnetv2_18 resnetv2_50x1_bit
    rexnet_100 rexnetr_100 selecsls42 legacy_seresnet18 legacy_seresnext26_32x4d sequencer2d_s shvit_s1 shvit_s2
    skresnet18 skresnet50 starnet_s050 starnet_s100 swiftformer_xs swiftformer_s swin_tiny_patch4_window7_224
    swin_s3_tiny_224 swinv2_tiny_window16_256 swinv2_cr_tiny_224 tiny_vit_5m_224 tiny_vit_11m_224 tnt_s_patch16_224
    tresnet_m twins_svt_small twins_pcpvt_small vgg11_bn visformer_tiny visformer_small vit_tiny_patch16_224
    flexivit_small vit_small_patch14_dinov2 vit_base_patch32_clip_224 vit_tiny_r_s16_p8_224 vit_small_r26_s32_224
    vit_srelpos_small_patch16_224 vit_relpos_small_patch16_rpn_224 vit_relpos_small_patch16_224
    samvit_base_patch16_224 vitamin_small_224 volo_d1_224 ese_vovnet19b_slim_dw vovnet39a eca_vovnet39b
    legacy_xception xception41p xcit_nano_12_p8_224 xcit_nano_12_p16_224
""".split()

RESULTS = "results.jsonl"
MOST_BYTES = 1 << 30  # of taps in one run of neuron
MOST_REASON = 400
MOST_ROUNDINGS = 4  # times what PyTorch's own single precision is off; only asked where the tolerance is exceeded
MOST_LETTERS = 100_000  # of their names; one argument of a command can have 131,071
VERDICTS = {
    "works": "works",
    "part": "works in part",
    "differs": "differs",
    "refused": "refused",
    "fails": "fails",
    "crashed": "crashed",
    "late": "took too long",
    "export": "was not exported",
    "script": "was not compared",
    "exported": "exported",
}


# What follows runs in the process of one network.


def build(network):
    """The model and the side of its images."""
    import torch

    import random_networks

    library, name = network.split("/")
    torch.manual_seed(random_networks.seed_of(network))
    if library == "timm":
        import timm

        model = timm.create_model(name, pretrained=False)
        size = model.pretrained_cfg["input_size"][1]
    else:
        import torchvision

        options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        model = torchvision.models.get_model(name, weights=None, **options)
        usual = torchvision.models.get_model_weights(name).DEFAULT.transforms().crop_size[0]
        size = getattr(model, "image_size", usual)
    return random_networks.fill(model, network, size), size


def export(model, size, path, program):
    """Writes a file of the format that the extension names. `program`: of a former call, or none."""
    import torch

    if program is None:
        example = 0.1 * torch.randn(1, 3, size, size)
        program = torch.export.export(model, (example,), strict=False)
    if path.suffix == ".pt2":
        torch.export.save(program, path)
    else:
        torch.onnx.export(program, (), path, dynamo=True, external_data=True, verbose=False)
    return program


class Refusal(Exception):
    """(status, reason, all that the command said)"""


def reason_in(said):
    """The line of an error, and what it lists: the indented lines behind it."""
    lines = said.splitlines()
    at = next((n for n, line in enumerate(lines) if line.startswith("error")), 0)
    reason = lines[at].removeprefix("error: ") if lines else "it says nothing"
    return shortened(": ".join(part for part in (reason.rstrip(":"), indented(lines[at + 1 :])) if part))


def indented(lines):
    return ", ".join(line.strip() for line in lines if line.startswith(" "))


def shortened(text):
    return text if len(text) <= MOST_REASON else text[: MOST_REASON - 3] + "..."


def run_neuron(step, arguments, timeout):
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Refusal("late", f"neuron {step} took more than {timeout} s", "") from None
    said = done.stderr.strip()
    if done.returncode < 0 or "panicked at" in said:
        panic = next((line for line in said.splitlines() if "panicked at" in line), f"signal {-done.returncode}")
        raise Refusal("crashed", f"neuron {step}: {panic}", said)
    if done.returncode:
        raise Refusal("refused" if step == "layers" else "fails", reason_in(said), said)
    return done.stdout, said


def portions(layers):
    """Lists of layers, none of them more than one run of neuron should write."""
    lists, bytes_, letters = [[]], 0, 0
    for layer in layers:
        size = 4 * layer["channels"] * (layer["height"] * layer["width"] + layer.get("extra", 0))
        if lists[-1] and (bytes_ + size > MOST_BYTES or letters + len(layer["name"]) + 1 > MOST_LETTERS):
            lists.append([])
            bytes_, letters = 0, 0
        lists[-1].append(layer["name"])
        bytes_ += size
        letters += len(layer["name"]) + 1
    return lists


def taps_of(neuron, path, image, size, options):
    """What neuron computes: layers as it lists them, an open file by the name of a tap, and what else it said."""
    import safetensors

    import random_networks

    listed, said = run_neuron("layers", [neuron, "layers", "--arch", str(path), "--json"], options.timeout)
    layers = json.loads(listed)["layers"]
    numbers = lambda values: ",".join(map(str, values))
    files = {}
    for n, names in enumerate(portions(layers)):
        out = path.with_name(f"{path.name}.{n}.taps")
        command = [neuron, "activations", str(image), "--arch", str(path), "--layer", ",".join(names), "--out", str(out)]
        command += ["--resize", str(size), "--crop", str(size), "--interpolation", "bilinear"]
        command += ["--mean", numbers(random_networks.MEAN), "--std", numbers(random_networks.STD)]
        command += ["--threads", str(options.threads)]
        run_neuron("activations", command, options.timeout)
        file = safetensors.safe_open(out, "pt")
        files |= {name: file for name in file.keys()}
    return layers, files, said


def arrangements(tap, reference):
    """The reference in every order of axes that has the tap's shape: [1, C, H, W], [1, tokens, C] or [1, C]."""
    found = [reference] if reference.shape == tap.shape else []
    if reference.numel() != tap.numel():
        return found
    if tap.ndim == 2:
        return found + [reference.reshape(tap.shape)]
    # Any axis may be the channels; all others are positions, in their order.
    channels = tap.shape[1] if tap.ndim == 4 else tap.shape[2]
    for axis in range(reference.ndim):
        if reference.shape[axis] == channels:
            first = reference.movedim(axis, 0).reshape(channels, -1)
            found.append((first if tap.ndim == 4 else first.T).reshape(tap.shape))
    if tap.ndim == 3 and reference.ndim == 4 and reference.shape[2] == tap.shape[1]:
        found.append(reference.transpose(1, 2).reshape(tap.shape))  # heads
    return found


def difference(tap, reference):
    """The largest difference, as a share of the largest value; none where no arrangement has the tap's shape."""
    found = arrangements(tap, reference)
    if not found:
        return None
    most = reference.abs().max().item() or 1.0
    values = [((tap - arranged).abs().max() / most).item() for arranged in found]
    return min(value if value == value else float("inf") for value in values)


def is_reordered(tap, reference, tolerance):
    """Whether each channel has the same values at other positions, as where tokens are sorted into windows."""
    if tap.ndim == 4:
        tap = tap.flatten(2).transpose(1, 2)
    if tap.ndim != 3 or tap.shape[1] == 1 or reference.numel() != tap.numel():
        return False
    channels, tap = tap.shape[2], tap[0].sort(0).values
    for axis in range(reference.ndim):
        if reference.shape[axis] == channels:
            found = reference.movedim(axis, -1).reshape(-1, channels).sort(0).values
            if (tap - found).abs().max() <= tolerance * reference.abs().max():
                return True
    return False


def compare(model, pixels, files, tolerance):
    """What became of each tap at the last call of its module: a share, or `other shape`; and the modules without a tap."""
    import random_networks

    found, absent = {}, {}
    idle = random_networks.idle_modules(model)

    def see(name, output):
        if name not in files:
            absent[name] = name in idle
            return
        tap, reference = files[name].get_tensor(name), output.detach().float()
        share = difference(tap, reference)
        if (share is None or share > tolerance) and is_reordered(tap, reference, tolerance):
            share = "other order"
        elif share is None:
            share = f"other shape: {list(tap.shape)}, PyTorch {list(output.shape)}"
        found[name] = share

    random_networks.visit(model, pixels, see)
    return found, absent


def roundings(model, pixels, names):
    """By how much PyTorch's single precision itself is off in those taps, as shares."""
    import random_networks

    values = {}
    keep = lambda name, output: values.setdefault(name, []).append(output.detach().double()) if name in names else None
    random_networks.visit(model, pixels, keep)
    model.double()
    try:
        random_networks.visit(model, pixels.double(), keep)
    except RuntimeError:  # some networks ask for single precision
        return {}
    finally:
        model.float()
    last = {name: (calls[len(calls) // 2 - 1], calls[-1]) for name, calls in values.items()}
    return {name: ((single - double).abs().max() / double.abs().max()).item() for name, (single, double) in last.items()}


def judge(model, pixels, layers, files, tolerance):
    found, absent = compare(model, pixels, files, tolerance)
    shares = {name: share for name, share in found.items() if not isinstance(share, str)}
    where = max(shares, key=shares.get, default=None)
    worst = shares[where] if where else None
    wrong = [layer["name"] for layer in layers if shares.get(layer["name"], 0) > tolerance]
    off = roundings(model, pixels, wrong) if wrong else {}
    ill = [name for name in wrong if shares[name] <= MOST_ROUNDINGS * off.get(name, 0)]
    wrong = [name for name in wrong if name not in ill]
    result = {"taps": len(layers), "compared": len(shares), "worst": worst, "where": where}
    result["other_order"] = [name for name, share in found.items() if share == "other order"]
    result["other_shape"] = {name: share for name, share in found.items() if str(share).startswith("other shape")}
    result["unknown"] = [name for name in files if name not in found]
    result["missing"] = [name for name in absent if not absent[name]]
    result["missing_idle"] = [name for name in absent if absent[name]]
    result["ill_conditioned"] = ill
    result["wrong"] = wrong
    if wrong:
        reason = f"{len(wrong)} of {len(shares)} taps, first {wrong[0]} ({shares[wrong[0]]:.1e})"
        return result | {"status": "differs", "reason": reason}
    if not any(name.split(".")[0] == "output" for name in shares):
        return result | {"status": "part", "reason": "its output cannot be computed"}
    return result | {"status": "works"}


def work(network, formats, options):
    """Prints a line of JSON at the start of each step, and one for each result."""
    say = lambda **line: print("@" + json.dumps(line), flush=True)
    say(step="importing")
    import PIL.Image
    import torch

    import random_networks

    torch.set_num_threads(options.threads)
    say(step="building")
    model, size = build(network)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    program = None
    stem = pathlib.Path(options.work, network)
    stem.parent.mkdir(parents=True, exist_ok=True)
    image = random_networks.image_of(network, size)
    if options.export_only:
        say(step="computing references")
        metadata = {"network": network, "size": str(size)}
        random_networks.save_references(stem, model, image, metadata, most_values=options.most_values)
    else:
        PIL.Image.fromarray(image).save(stem.with_suffix(".png"))
    for format_ in formats:
        path = stem.with_suffix("." + format_)
        started = time.time()
        common = {"network": network, "format": format_, "parameters": parameters, "size": size}
        say(step=f"exporting {format_}")
        try:
            program = export(model, size, path, program)
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
            say(result=common | {"status": "export", "reason": reason, "detail": str(error)[:4000]})
            continue
        common["export_s"] = round(time.time() - started, 1)
        common["bytes"] = sum(part.stat().st_size for part in path.parent.glob(path.name + "*"))
        if options.export_only:
            say(result=common | {"status": "exported"})
            continue
        started = time.time()
        say(step="running neuron", lenient=True)
        try:
            layers, files, said = taps_of(options.neuron, path, stem.with_suffix(".png"), size, options)
            common["neuron_s"] = round(time.time() - started, 1)
            say(step="comparing")
            result = judge(model, random_networks.normalised(image), layers, files, options.tolerance)
            if result["status"] == "part":
                reason = f"{result['reason']}: {indented(said.splitlines())}"
                result |= {"reason": shortened(reason), "detail": said[:4000]}
        except Refusal as refusal:
            status, reason, detail = refusal.args
            result = {"status": status, "reason": reason.replace(str(path), path.name), "detail": detail[:4000]}
        say(result=common | result)


# What follows runs in the process that starts the others.


def names(options):
    both = options.torchvision == options.timm
    listed = []
    if options.torchvision or both:
        import torchvision

        listed += ["torchvision/" + name for name in torchvision.models.list_models(module=torchvision.models)]
    if options.timm or both:
        listed += ["timm/" + name for name in TIMM]
    listed = [network for network in listed if options.large or network not in LARGE]
    return [network for network in listed if re.search(options.only, network)]


def started(network, formats, options):
    """A process for one network, and a queue of the lines that it prints; none at its end."""
    command = [sys.executable, __file__, "--worker", network, "--formats", ",".join(formats), "--work", options.work]
    command += ["--neuron", options.neuron, "--timeout", str(options.timeout), "--threads", str(options.threads)]
    command += ["--tolerance", str(options.tolerance), "--most-values", str(options.most_values)]
    command += ["--export-only"] * options.export_only
    log = pathlib.Path(options.work, "logs", network.replace("/", "-") + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
    lines = queue.Queue()

    def read():
        for line in process.stdout:
            if line.startswith("@"):
                lines.put(json.loads(line[1:]))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return process, lines, log


def last_line(log):
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def sweep_one(network, formats, options):
    """A list of results, one for each format."""
    results, left = [], list(formats)
    while left:
        process, lines, log = started(network, left, options)
        step, lenient, trouble = "starting", False, None
        while True:
            try:
                # Runs of neuron have their own limit, and there can be several.
                line = lines.get(timeout=options.timeout * (20 if lenient else 1) + 10)
            except queue.Empty:
                trouble = {"status": "late" if "neuron" in step else "export", "reason": f"{step} took too long"}
                break
            if line is None:
                break
            if "step" in line:
                step, lenient = line["step"], line.get("lenient", False)
            else:
                results.append(line["result"])
                left.remove(line["result"]["format"])
        if process.poll() is None and trouble:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not left:
            break
        if not trouble:
            status = "export" if step.startswith(("importing", "building", "exporting", "computing")) else "script"
            trouble = {"status": status, "reason": f"{step}: {last_line(log)} (exit {process.returncode})"}
        everywhere = not step.startswith(("exporting", "running", "comparing"))
        for format_ in left if everywhere else left[:1]:
            results.append({"network": network, "format": format_} | trouble)
        left = [] if everywhere else left[1:]
    if not (options.keep or options.export_only):
        for path in pathlib.Path(options.work, network).parent.glob(network.split("/")[1] + ".*"):
            path.unlink()
    return results


def describe(result):
    line = f"{result['network']} {result['format']}: {VERDICTS[result['status']]}"
    if "reason" in result:
        line += f": {result['reason']}"
    if result.get("worst") is not None:
        line += f"; {result['compared']} taps compared, {len(result['missing'])} modules without one"
        line += f", {len(result['unknown'])} taps without a module"
        line += f", {len(result['other_order'])} with positions in another order, {len(result['other_shape'])} of another shape"
        line += f"; worst {result['worst']:.1e} at {result['where']}"
    return line


def read_results(work):
    """The last result of each network and format."""
    path = pathlib.Path(work, RESULTS)
    lines = path.read_text().splitlines() if path.exists() else []
    return {(result["network"], result["format"]): result for result in map(json.loads, lines)}


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def table(results):
    good = ("works", "exported")
    rows = ["| Networks | Format | Work | Taps compared | Modules without a tap | Worst difference |", "|---|---|---|---|---|---|"]
    for library in ("torchvision", "timm"):
        for format_ in ("pt2", "onnx"):
            of = [result for result in results if result["network"].startswith(library) and result["format"] == format_]
            if not of:
                continue
            working = [result for result in of if result["status"] in good]
            taps = sum(result.get("compared", 0) for result in working)
            missing = sum(len(result.get("missing", [])) for result in working)
            worst = max((result.get("worst") or 0 for result in working), default=0)
            rows.append(f"| {library} | `.{format_}` | {len(working)} of {len(of)} | {taps} | {missing} | {worst:.1e} |")
    failing = [result for result in results if result["status"] not in good]
    if failing:
        rows += ["", "| Network | Format | What happens |", "|---|---|---|"]
    for result in failing:
        reason = f": {result['reason']}" if "reason" in result else ""
        text = cell(VERDICTS[result["status"]] + reason)
        rows.append(f"| `{result['network']}` | `.{result['format']}` | {text} |")
    working = [result for result in results if result["status"] == "works"]
    if working:
        rows += ["", "| Largest differences among those that work | Format | Of the largest value | At |", "|---|---|---|---|"]
    for result in sorted(working, key=lambda result: -result["worst"])[:20]:
        rows.append(f"| `{result['network']}` | `.{result['format']}` | {result['worst']:.1e} | `{result['where']}` |")
    return "\n".join(rows) + "\n"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=["pt2", "onnx", "both"], default="both")
    parser.add_argument("--only", default="", metavar="REGEX", help="networks whose name, such as timm/dpn68, has a match")
    parser.add_argument("--torchvision", action="store_true", help="these alone")
    parser.add_argument("--timm", action="store_true", help="these alone")
    parser.add_argument("--large", action="store_true", help=f"those too that need much memory: {', '.join(sorted(LARGE))}")
    parser.add_argument("--neuron", default="target/release/neuron", metavar="PATH")
    parser.add_argument("--work", default="export-sweep", metavar="DIR")
    parser.add_argument("--table", metavar="FILE", help="where the Markdown table goes")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of each job")
    parser.add_argument("--timeout", type=int, default=120, metavar="SECONDS", help="for each step")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="share of a tap's largest value")
    parser.add_argument("--again", action="store_true", help="those with a result, too")
    parser.add_argument("--failed", action="store_true", help="again those with a result that is a failure")
    parser.add_argument("--keep", action="store_true", help="keep files after the comparison")
    parser.add_argument("--export-only", action="store_true", help="write networks, images and references, and stop there")
    parser.add_argument("--most-values", type=int, default=4 << 20, help="of a tensor among the references")
    parser.add_argument("--list", action="store_true", help="print the names, and stop there")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--formats", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = parse()
    if options.worker:
        return work(options.worker, options.formats.split(","), options)
    chosen = names(options)
    if options.list:
        return print("\n".join(chosen))
    formats = ["pt2", "onnx"] if options.format == "both" else [options.format]
    pathlib.Path(options.work).mkdir(parents=True, exist_ok=True)
    known = read_results(options.work)
    good = ("works", "exported")
    settled = lambda key: key in known and not options.again and not (options.failed and known[key]["status"] not in good)
    todo = {network: [format_ for format_ in formats if not settled((network, format_))] for network in chosen}
    todo = {network: left for network, left in todo.items() if left}
    print(f"{len(chosen)} networks, {len(todo)} of them to do", flush=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(sweep_one, network, left, options) for network, left in todo.items()]
        for n, future in enumerate(concurrent.futures.as_completed(futures), 1):
            with pathlib.Path(options.work, RESULTS).open("a") as file:
                for result in future.result():
                    file.write(json.dumps(result) + "\n")
                    print(f"[{n}/{len(todo)}] {describe(result)}", flush=True)
    known = read_results(options.work)
    results = [known[key] for network in chosen for format_ in formats if (key := (network, format_)) in known]
    text = table(results)
    if options.table:
        pathlib.Path(options.table).write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
