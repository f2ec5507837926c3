"""PyTorch's forward pass of a ResNet-50 to layer4 on GPU 0, channels-last, from images on the host to scores on it."""

import statistics
import time

import torch
import torchvision

BATCH, ROUNDS = 256, 7


def seconds(model, images):
    started = time.perf_counter()
    model(images.to("cuda", non_blocking=True)).amax((2, 3)).float().cpu()
    return time.perf_counter() - started


def main():
    network = torchvision.models.resnet50(weights=None).eval()
    trunk = torch.nn.Sequential(*list(network.children())[:-2]).cuda().to(memory_format=torch.channels_last)
    images = torch.rand(BATCH, 3, 224, 224).to(memory_format=torch.channels_last).pin_memory()
    for precision in ["f32", "tf32"]:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        with torch.inference_mode():
            times = [seconds(trunk, images) for _ in range(ROUNDS + 2)][2:]
        print(f"PyTorch forward to layer4, b = {BATCH}, {precision}: {BATCH / statistics.median(times):.0f} images/s")


main()
