"""PyTorch's forward pass of a ResNet-50 to layer4 on GPU 0, channels-last, from bytes on the host to scores on it."""

import statistics
import time

import torch
import torchvision

BATCH, ROUNDS = 512, 7


def seconds(model, images, dtype):
    started = time.perf_counter()
    pixels = images.to("cuda", non_blocking=True).to(dtype) / 64 - 2
    model(pixels).amax((2, 3)).float().cpu()
    return time.perf_counter() - started


def main():
    network = torchvision.models.resnet50(weights=None).eval()
    trunk = torch.nn.Sequential(*list(network.children())[:-2]).cuda().to(memory_format=torch.channels_last)
    images = torch.randint(0, 256, (BATCH, 3, 224, 224), dtype=torch.uint8)
    images = images.to(memory_format=torch.channels_last).pin_memory()
    for precision in ["f32", "tf32", "bf16"]:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        model = trunk.to(dtype)
        with torch.inference_mode():
            times = [seconds(model, images, dtype) for _ in range(ROUNDS + 2)][2:]
        print(f"PyTorch forward to layer4, b = {BATCH}, {precision}: {BATCH / statistics.median(times):.0f} images/s")


main()
