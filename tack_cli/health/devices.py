# SPDX-License-Identifier: Apache-2.0
"""Checks of what tack sees and computes with: GPU and torch, RealSense camera, the renderer."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tack_cli.health.finding import Finding, ProbeError, probe

TORCH = """
import torch
gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
print(torch.__version__, gpu, sep="|")
"""
CAMERA = """
import pyrealsense2 as rs
devices = list(rs.context().query_devices())
for device in devices:
    facts = (rs.camera_info.name, rs.camera_info.serial_number, rs.camera_info.usb_type_descriptor)
    print(*(device.get_info(f) if device.supports(f) else "?" for f in facts), sep="|")
"""
RENDERER = """
import mujoco
from OpenGL import GL
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 2'/><geom size='0.1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 48, 64) as renderer:
    renderer.update_scene(data)
    assert renderer.render().any(), "the picture is black"
    print(GL.glGetString(GL.GL_RENDERER).decode())
"""


def gpu() -> Finding:
    """The NVIDIA GPU that the driver reports."""
    if shutil.which("nvidia-smi") is None:
        return Finding("GPU", "ok", "none from NVIDIA; everything here runs on the CPU as well")
    command = [
        "nvidia-smi",
        "--query-gpu=name,driver_version,memory.total",
        "--format=csv,noheader",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode != 0:
        told = (done.stdout or done.stderr).strip().splitlines()
        detail = f"nvidia-smi fails: {told[-1] if told else 'no reason given'}"
        return Finding(
            "GPU", "warn", detail, "reinstall the NVIDIA driver, or reboot after an update"
        )
    return Finding("GPU", "ok", "; ".join(done.stdout.strip().splitlines()))


def torch() -> Finding:
    """Is torch there, and does it use the GPU that is there?"""
    if find_spec("torch") is None:
        return Finding(
            "torch", "warn", "not installed", "only learned detectors need it: pip install torch"
        )
    try:
        version, _, device = probe(TORCH).partition("|")
    except ProbeError as error:
        return Finding("torch", "fail", str(error), "install it again: rm -r .venv && make setup")
    if not device and gpu().detail.startswith(("NVIDIA", "Tesla", "GeForce", "Quadro")):
        advice = f"pip install torch==={version.partition('+')[0]}  (the build with CUDA)"
        return Finding("torch", "warn", f"{version} does not use the GPU of this machine", advice)
    return Finding("torch", "ok", f"{version} on {device or 'the CPU'}")


def camera() -> Finding:
    """Does librealsense work, and which cameras does it see?"""
    if find_spec("pyrealsense2") is None:
        return Finding(
            "camera",
            "warn",
            "pyrealsense2 is not installed",
            "only live RealSense cameras and their recordings need it: pip install pyrealsense2",
        )
    try:
        lines = probe(CAMERA).splitlines()
    except ProbeError as error:
        return Finding("camera", "fail", str(error), "sudo apt-get install libusb-1.0-0")
    if not lines:
        if realsense_on_usb():
            return Finding(
                "camera",
                "warn",
                "a RealSense is plugged in, but librealsense may not open it",
                "install librealsense's udev rules, then plug it in again",
            )
        return Finding("camera", "ok", "none connected; recordings and the simulator need none")
    seen = [line.split("|") for line in lines]
    detail = "; ".join(f"{name}, serial {serial}, USB {usb}" for name, serial, usb in seen)
    if any(usb.startswith("2") for _, _, usb in seen):
        advice = "USB 2 is too slow for 640x480 at 30 Hz: use a USB 3 port and cable"
        return Finding("camera", "warn", detail, advice)
    return Finding("camera", "ok", detail)


def realsense_on_usb(devices: Path = Path("/sys/bus/usb/devices")) -> bool:
    """Whether the kernel knows a RealSense on USB, be it accessible or not.

    Args:
        devices: the folder in which Linux lists USB devices.
    """
    products = (path.read_text(errors="replace") for path in devices.glob("*/product"))
    return any("RealSense" in product for product in products)


def renderer() -> Finding:
    """Can the simulator draw, and who draws?"""
    if find_spec("mujoco") is None:
        return Finding(
            "renderer",
            "warn",
            "mujoco is not installed",
            "only the simulator needs it: pip install mujoco",
        )
    backend = os.environ.get("MUJOCO_GL", "egl")
    try:
        return Finding("renderer", "ok", f"{probe(RENDERER, {'MUJOCO_GL': backend})} ({backend})")
    except ProbeError as error:
        advice = "sudo apt-get install libegl1 libgl1, or set MUJOCO_GL=osmesa with libosmesa6"
        return Finding("renderer", "fail", f"{backend}: {error}", advice)


CHECKS = (gpu, torch, camera, renderer)
