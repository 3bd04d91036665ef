#!/usr/bin/env python3
"""The same guest doing the same work for its screen on mullion and on QEMU's own virtio-gpu
with each of its displays: processor time for each frame of everything but the guest's own
processor. The guest's is a machine of its own each time, with Debian's kernel; the sides take
turns, there and back. Prints one object a line, as the other benchmarks do.

gtk and sdl are windows in a headless sway, whose time counts as our compositor's does. vnc
has a client that reads all pixels raw, dbus one that shares the memory and reads none; their
time does not count.
"""
import json
import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from session import TESTS, Session, make_linux, qemu_lacks  # noqa: E402
from tap import wait_until  # noqa: E402

SIZES = ("1024x768", "1920x1080")
WORK = ("full", "small", "none")
SECONDS = 4
OUTPUT = (1960, 1160)
BOOT_SECONDS = 60
SAY = {
  "full": "a whole new frame", "small": "100x20 changed, all flushed",
  "none": "nothing changed, all flushed",
}
# Milliseconds a frame, and the part of what gtk takes.
BOUNDS = {
  ("full", "1024x768"): (0.25, 0.04), ("full", "1920x1080"): (0.4, 0.04),
  ("small", "1024x768"): (0.15, 0.033), ("small", "1920x1080"): (0.3, 0.033),
}


def seconds_of(pid):
  """Processor time of a process without the threads that run a guest's processor."""
  total = 0.0
  for thread in os.listdir(f"/proc/{pid}/task"):
    try:
      with open(f"/proc/{pid}/task/{thread}/stat") as file:
        name, rest = file.read().rsplit(")", 1)
      with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
        nanoseconds = int(file.read().split()[0])
    except OSError:
      continue # has ended
    if not re.search(r"\(CPU \d+/", name):
      total += nanoseconds / 1e9
  return total


class Mullion:
  """The session, and a guest in it."""

  def __init__(self, kernel, initrd, append):
    self.session = Session()
    self.session.configure("mullion", f"[mullion]\nvram = 64M\n[desktop]\noutput = {OUTPUT[0]}x{OUTPUT[1]}\n")
    self.serial = self.session.serial_file("guest")
    self.session.configure("guest", f"""
[guest]
autostart = yes
stop-timeout = 1s
[gpu]
personality = virtio-vga
vram = 64M
size = 1920x1080
[machine]
memory = 320M
cpus = 1
firmware = bios
kernel = {kernel}
initrd = {initrd}
append = {append}
network = none
extra = -name debug-threads=on -serial file:{self.serial}
paths = {self.serial}
""")
    self.session.start()

  def seconds(self):
    """Of each of its programs."""
    return {name: seconds_of(pid) for pid, name in self.session.left_over().items()}

  def finish(self):
    self.session.finish()


class Qemu:
  """QEMU's own virtio-gpu, with one of its displays."""

  def __init__(self, display, kernel, initrd, append):
    self.session = Session() # for its folder only
    self.serial = self.session.serial_file("guest")
    self.processes, self.reader = [], None
    environment = dict(self.session.environment, WLR_LIBINPUT_NO_DEVICES="1")
    arguments = ["-display", display]
    if display == "vnc":
      arguments = ["-vnc", f"unix:{self.session.path('vnc')}"]
    elif display == "dbus":
      arguments = ["-display", "dbus,p2p=yes", "-qmp", f"unix:{self.session.path('qmp')},server=on,wait=off"]
    else:
      self.start_sway(environment)
    self.start(["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35",
      "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "1", "-m", "320M", "-vga", "none",
      "-device", "virtio-vga,xres=1920,yres=1080", "-name", "guest,debug-threads=on",
      "-kernel", kernel, "-initrd", initrd, "-append", append, "-serial", f"file:{self.serial}",
      *arguments], environment)
    if display == "vnc":
      self.reader = threading.Thread(target=read_all, args=[self.session.path("vnc")], daemon=True)
      self.reader.start()
    elif display == "dbus":
      wait_until(lambda: os.path.exists(self.session.path("qmp")), "QEMU's QMP", 20)
      self.reader = subprocess.Popen([os.path.join(TESTS, "bench", "dbus-screen"), self.session.path("qmp")])

  def start(self, words, environment):
    with open(self.session.path(f"{words[0]}.log"), "wb") as log:
      self.processes.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log,
        stdin=subprocess.DEVNULL, start_new_session=True))

  def start_sway(self, environment):
    with open(self.session.path("sway.ini"), "w") as file:
      file.write(f"output * resolution {OUTPUT[0]}x{OUTPUT[1]}\nfor_window [title=.*] floating enable\n")
    self.start(["sway", "-c", self.session.path("sway.ini")], environment)
    display = wait_until(lambda: [name for name in os.listdir(self.session.runtime)
      if re.fullmatch(r"wayland-\d+", name)], "sway", 20)[0]
    environment.update(WAYLAND_DISPLAY=display, GDK_BACKEND="wayland", SDL_VIDEODRIVER="wayland")

  def seconds(self):
    return {process.args[0]: seconds_of(process.pid) for process in self.processes}

  def finish(self):
    for process in reversed(self.processes):
      process.kill()
      process.wait()
    if isinstance(self.reader, subprocess.Popen):
      self.reader.kill()
      self.reader.wait()
    self.session.finish()


def read_all(path):
  """A client of RFB that asks for every change, raw, and looks at nothing."""
  def take(count):
    data = bytearray()
    while len(data) < count:
      part = connection.recv(min(count - len(data), 1 << 20))
      if not part:
        raise EOFError
      data += part
    return bytes(data)

  def ask(incremental):
    connection.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, 4096, 4096))

  wait_until(lambda: os.path.exists(path), "QEMU's VNC", 20)
  connection = socket.socket(socket.AF_UNIX)
  connection.connect(path)
  try:
    take(12)
    connection.sendall(b"RFB 003.008\n")
    take(take(1)[0])
    connection.sendall(b"\1")
    take(4)
    connection.sendall(b"\1")
    take(struct.unpack(">I", take(24)[20:])[0])
    connection.sendall(struct.pack(">BBHii", 2, 0, 2, 0, -223)) # raw, and another size
    ask(0)
    while True:
      kind, _, rectangles = struct.unpack(">BBH", take(4))
      if kind != 0:
        return
      for _ in range(rectangles):
        _, _, width, height, encoding = struct.unpack(">HHHHi", take(12))
        if encoding == 0:
          take(width * height * 4)
      ask(1)
  except (EOFError, OSError):
    pass # QEMU has ended


def measure(side):
  """Milliseconds a frame of each program, and frames a second, for each work and size."""
  results = {}
  def lines():
    with open(side.serial, "rb") as file:
      return file.read().decode(errors="replace")
  for size in SIZES:
    for work in WORK:
      begin = rf"^frames {work} {size} begin"
      wait_until(lambda: re.search(begin, lines(), re.MULTILINE), f"{work} {size}", BOOT_SECONDS, 0.01)
      seconds = side.seconds()
      end = rf"^frames {work} {size} end (\d+)"
      match = wait_until(lambda: re.search(end, lines(), re.MULTILINE), f"{work} {size}", 60, 0.01)
      frames = int(match[1])
      after = side.seconds()
      parts = {name: 1000 * (after[name] - seconds.get(name, 0)) / frames for name in after}
      results[work, size] = (parts, frames / SECONDS)
  return results


def print_all(taken):
  """taken: of each side the results of its turns."""
  def milliseconds(side, key):
    return [sum(turn[key][0].values()) for turn in taken[side]]

  def parts(key):
    turns = [turn[key][0] for turn in taken["mullion"]]
    names = (("mullion-device", "device"), ("mullion", "compositor"), ("qemu-system-x86_64", "VMM"))
    return ", ".join(f"{say} {statistics.mean(turn[name] for turn in turns):.2f}" for name, say in names)
  for size in SIZES:
    for work in WORK:
      key = work, size
      ours = milliseconds("mullion", key)
      bound, target = BOUNDS.get(key, (0, 0))
      name, what = f"frames-{work}-{size}", f"{SAY[work]}, {size}, 60 Hz"
      verdict = "-" if not bound else "met" if statistics.median(ours) <= bound else "MISSED"
      rates = "/".join(f"{turn[key][1]:.0f}" for turn in taken["mullion"])
      print(json.dumps({"name": name, "what": f"{what}, at {rates} frames a second: {parts(key)}", "unit": "ms",
        "ours": statistics.median(ours), "low": min(ours), "high": max(ours), "bound": bound,
        "atLeast": False, "verdict": verdict}))
      for side in taken:
        if side == "mullion":
          continue
        theirs = milliseconds(side, key)
        ratios = [a / b for a, b in zip(ours, theirs) if b]
        goal = target if side == "gtk" else 0
        ratio = sum(ours) / sum(theirs)
        rates = "/".join(f"{turn[key][1]:.0f}" for turn in taken[side])
        print(json.dumps({"name": name, "what": what, "unit": "ms",
          "ours": statistics.median(ours), "peer": statistics.median(theirs),
          "peerName": f"QEMU {side} at {rates} frames a second", "ratio": ratio,
          "low": min(ratios), "high": max(ratios), "target": goal, "atLeast": False,
          "verdict": "-" if not goal else "met" if ratio <= goal else "MISSED"}))
  sys.stdout.flush()


def displays():
  """Those of QEMU's displays that can be measured here."""
  found = []
  offered = subprocess.run(["qemu-system-x86_64", "-display", "help"], capture_output=True, text=True).stdout
  for name in ("gtk", "sdl", "dbus"):
    if re.search(rf"^{name}$", offered, re.MULTILINE) and (name == "dbus" or shutil.which("sway")):
      found.append(name)
  return [*found, "vnc"]


def main():
  why = qemu_lacks()
  if why:
    print(f"bench: frames: {why}", file=sys.stderr)
    sys.exit(77)
  kernel, initrd = make_linux("trixie")
  phases = ",".join(f"{work}:{size}" for size in SIZES for work in WORK)
  append = f"quiet console=tty0 mullion.frames={SECONDS},{phases}"
  sides = ["mullion", *displays()]
  wanted = os.environ.get("MULLION_BENCH_SIDES")
  if wanted:
    sides = [side for side in sides if side in wanted.split(",")]
  taken = {side: [] for side in sides}
  for name in sides + sides[::-1]:
    if name not in taken:
      continue
    print(f"bench: frames: {name}", file=sys.stderr, flush=True)
    side = Mullion(kernel, initrd, append) if name == "mullion" else Qemu(name, kernel, initrd, append)
    try:
      taken[name].append(measure(side))
    except AssertionError as error:
      print(f"bench: frames: {name}: {error}", *side.session.tails(), sep="\n", file=sys.stderr)
      taken.pop(name, None)
      if name == "mullion":
        sys.exit(1)
    finally:
      side.finish()
  print_all(taken)


if __name__ == "__main__":
  main()
