"""The sides that bench-frames.py compares: mullion, and QEMU with each of its displays. Both run
the same guests, which do work for their screens and say so on their first serial port."""
import os
import re
import shutil
import subprocess

from frames_cost import memory_of, seconds_of
from frames_viewers import Vnc, read_boxes
from session import TESTS, Session, make_linux
from tap import wait_until

BOOT_SECONDS = 60
WINDOWS = "1960x1160" # an output that windows of 1920x1080 fit on


class Side:
  """A folder and guests, named guest1, guest2 and so on.

  append: to the kernel's command line; size: what the guests' monitor prefers.

  start() starts the first guest, add() another one. seconds() is the processor time of each
  program, as long as there is one guest, and memory() the MiB of all of them, without the VMM's
  and with them, where those can be told apart."""

  def __init__(self, append, size="1920x1080", output=WINDOWS, fullscreen=False):
    self.session = Session()
    self.kernel, self.initrd = make_linux("trixie")
    self.append = f"quiet console=tty0 {append}"
    self.size, self.output, self.fullscreen = size, output, fullscreen
    self.processes, self.viewers = [], []
    self.watcher = None

  def guest(self, number):
    """A guest's name, arguments for QEMU, and the files that they name. The first one's marks
    are heard, see hear-marks.c."""
    name = f"guest{number}"
    serial = self.session.serial_file(name)
    words, paths = f"-name debug-threads=on -serial file:{serial}", serial
    if number == 1:
      fifo = self.session.path("fifo")
      os.mkfifo(fifo)
      self.view("hear-marks", fifo, out="marks")
      words, paths = f"{words} -debugcon file:{fifo}", f"{paths}:{fifo}"
    return name, words, paths

  def view(self, program, *arguments, out, **environment):
    """Starts a program of the benchmark's, which goes at the end."""
    with open(self.session.path(out), "wb") as file:
      self.viewers.append(subprocess.Popen([os.path.join(TESTS, "bench", program), *arguments],
        env=dict(self.session.environment, **environment), stdout=file))
    return self.viewers[-1]

  def expect(self, pattern, guest=1):
    """Waits for a line of a guest; returns the match."""
    return wait_until(lambda: re.search(pattern, self.session.serial(f"guest{guest}"), re.MULTILINE),
      f"guest{guest} writes {pattern!r}", BOOT_SECONDS, 0.01)

  def watch(self):
    """Looks at the screen from now on."""
    self.watcher = self.view("watch-screen", out="boxes", WAYLAND_DISPLAY=self.session.display())

  def shown(self):
    """When which box was seen, since watch(); no longer looks."""
    self.end(self.watcher)
    return read_boxes(self.session.path("boxes"))

  def latencies(self):
    """Milliseconds from guest1's drawing of each box until it was seen."""
    drawn = read_boxes(self.session.path("marks"))
    return [(seen - drawn[box]) / 1e6 for box, seen in self.shown().items() if box in drawn]

  @staticmethod
  def end(process):
    process.kill()
    process.wait()

  def finish(self):
    for process in [*self.viewers, *reversed(self.processes)]:
      self.end(process)
    self.session.finish()


class Mullion(Side):
  guests = 3 # at most

  def start(self):
    self.session.configure("mullion", f"[mullion]\nvram = 192M\n[desktop]\noutput = {self.output}\n")
    for number in range(1, self.guests + 1):
      name, words, paths = self.guest(number)
      self.session.configure(name, f"""
[guest]
autostart = {"yes" if number == 1 else "no"}
stop-timeout = 1s
[gpu]
personality = virtio-vga
vram = 64M
size = {self.size}
[machine]
memory = 320M
cpus = 1
firmware = bios
kernel = {self.kernel}
initrd = {self.initrd}
append = {self.append}
network = none
extra = {words}
paths = {paths}
""")
    self.session.start()
    if self.fullscreen:
      wait_until(lambda: self.session.ctl("fullscreen", "guest1")[0] == 0, "the full screen", BOOT_SECONDS)
    return self

  def add(self, number):
    self.session.do("start", f"guest{number}")

  def seconds(self):
    return {name: seconds_of(pid) for pid, name in self.session.left_over().items()}

  def memory(self):
    programs = self.session.left_over()
    return (memory_of([pid for pid, name in programs.items() if name != "qemu-system-x86_64"]),
      memory_of(programs))


class Qemu(Side):
  """QEMU's own virtio-gpu. gtk and sdl are windows in a headless sway, whose time and memory
  count as our compositor's do. dbus and vnc have a viewer; it does not count."""

  def __init__(self, display, *arguments, **more):
    super().__init__(*arguments, **more)
    self.display = display
    self.clients = [] # of VNC
    self.environment = dict(self.session.environment, WLR_LIBINPUT_NO_DEVICES="1")

  def start(self):
    if self.display in ("gtk", "sdl"):
      self.start_sway()
    self.add(1)
    return self

  def add(self, number):
    name, words, _ = self.guest(number)
    screen = self.session.path(f"{name}.screen")
    display = ["-display", self.display + (",full-screen=on" if self.fullscreen else "")]
    if self.display == "vnc":
      display = ["-vnc", f"unix:{screen}"]
    elif self.display == "dbus":
      display = ["-display", "dbus,p2p=yes", "-qmp", f"unix:{screen},server=on,wait=off"]
    width, height = self.size.split("x")
    self.run(name, ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35",
      "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "1", "-m", "320M", "-vga", "none",
      "-device", f"virtio-vga,xres={width},yres={height}",
      "-kernel", self.kernel, "-initrd", self.initrd, "-append", self.append,
      *words.split(), *display])
    if self.display in ("dbus", "vnc"):
      wait_until(lambda: os.path.exists(screen), "QEMU's socket", 20)
    if self.display == "vnc":
      self.clients.append(Vnc(screen))
    elif self.display == "dbus":
      self.view("dbus-screen", screen, out=f"{name}.boxes")

  def run(self, name, words):
    with open(self.session.path(f"{name}.log"), "wb") as log:
      self.processes.append(subprocess.Popen(words, env=self.environment, stdout=log, stderr=log,
        stdin=subprocess.DEVNULL, start_new_session=True))

  def start_sway(self):
    file = self.session.path("sway.ini")
    with open(file, "w") as out:
      out.write(f"output * resolution {self.output}\nfor_window [title=.*] floating enable\n")
    self.run("sway", ["sway", "-c", file])
    wait_until(lambda: any(re.fullmatch(r"wayland-\d+", name)
      for name in os.listdir(self.session.runtime)), "sway", 20)
    self.environment.update(WAYLAND_DISPLAY=self.session.display(), GDK_BACKEND="wayland",
      SDL_VIDEODRIVER="wayland")

  def seconds(self):
    return {process.args[0]: seconds_of(process.pid) for process in self.processes}

  def memory(self):
    everything = memory_of([process.pid for process in self.processes])
    return everything, everything

  def watch(self):
    if self.display in ("gtk", "sdl"):
      super().watch()

  def shown(self):
    if self.display == "vnc":
      return self.clients[0].boxes
    if self.display == "dbus":
      return read_boxes(self.session.path("guest1.boxes"))
    return super().shown()

  def finish(self):
    for client in self.clients:
      client.finish()
    super().finish()


def displays():
  """Those of QEMU's displays that can be measured here."""
  found = []
  offered = subprocess.run(["qemu-system-x86_64", "-display", "help"], capture_output=True, text=True).stdout
  for name in ("gtk", "sdl", "dbus"):
    if re.search(rf"^{name}$", offered, re.MULTILINE) and (name == "dbus" or shutil.which("sway")):
      found.append(name)
  return [*found, "vnc"]
