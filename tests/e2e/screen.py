"""A machine with a real screen: virtio-vga, which its kernel drives by KMS, and a keyboard, a
tablet and a touch screen, which libinput reads."""
import json
import os
import shlex
import subprocess

from machine import Machine
from session import BUILD, TESTS, qemu_lacks
from tap import wait_until

SCREEN = (1280, 800)
CARD = (640, 400)


class Screen(Machine):
  log = "tail -n 30 /run/mullion.log /run/guest.log"

  def __init__(self, *devices):
    # QEMU gives a button to the last device that has one: the tablet.
    super().__init__("kms-machine", "-device", f"virtio-vga,xres={SCREEN[0]},yres={SCREEN[1]}",
      "-device", "virtio-keyboard-pci", "-device", "virtio-multitouch-pci",
      "-device", "virtio-tablet-pci", *devices)

  def keys(self, *names):
    """Presses keys in this order and lets them go in the other."""
    def event(name, down):
      return {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": name}}}
    for name in names:
      self.command("input-send-event", events=[event(name, True)])
    for name in reversed(names):
      self.command("input-send-event", events=[event(name, False)])

  def point(self, x, y, button=None):
    """Moves the pointer; button True presses the left one there, False lets it go."""
    events = [{"type": "abs", "data": {"axis": axis, "value": value * 32767 // (size - 1)}}
      for axis, value, size in (("x", x, SCREEN[0]), ("y", y, SCREEN[1]))]
    self.command("input-send-event", events=events)
    if button is not None:
      self.command("input-send-event",
        events=[{"type": "btn", "data": {"button": "left", "down": button}}])

  def touch(self, slot, x, y, kind="update"):
    """Puts a finger down ("begin"), or moves it; "end" lifts it."""
    def mtt(kind, axis, value):
      return {"type": "mtt", "data": {"type": kind, "slot": slot,
        "tracking-id": -1 if kind == "end" else slot, "axis": axis, "value": value}}
    events = [mtt(kind, "x", 0)]
    if kind != "end":
      events += [mtt("data", axis, value * 32767 // (size - 1))
        for axis, value, size in (("x", x, SCREEN[0]), ("y", y, SCREEN[1]))]
    self.command("input-send-event", events=events)

  def screen(self):
    file = self.path("screen.png")
    self.command("screendump", filename=file, format="png")
    return file

  def window(self):
    return json.loads(self.do("mullionctl windows --json"))["windows"][0]

  def shows_card(self, x, y):
    """True where the real screen shows the card there, bit by bit."""
    done = subprocess.run([os.path.join(TESTS, "picture"), "card", self.screen(), str(x), str(y),
      str(CARD[0]), str(CARD[1])], stdout=subprocess.DEVNULL)
    return done.returncode == 0

  def begin(self, guest, renderer="pixman"):
    """Boots and starts a session with one guest, 'card', of an external VMM and such a [gpu] section;
    returns the guest's socket. The session is $pid, its log /run/mullion.log."""
    self.boot()
    build = shlex.quote(os.path.abspath(BUILD))
    self.do(f"export PATH={build}:$PATH XDG_RUNTIME_DIR=/run/session MULLION_CONFIG_DIR=/run/config")
    self.do("mkdir -p -m 700 /run/session /run/config/guests")
    self.do(f"printf '[guest]\\nautostart = yes\\n[gpu]\\n{guest}\\nsize = {CARD[0]}x{CARD[1]}\\n[machine]\\n"
      "vmm = external\\n' >/run/config/guests/card.ini")
    self.do("printf '[desktop]\\nfilter = nearest\\nterminal = touch /run/terminal\\n' >/run/config/mullion.ini")
    return self.session(renderer)

  def session(self, renderer="pixman"):
    self.do(f"LIBSEAT_BACKEND=builtin WLR_RENDERER={renderer} mullion >/run/mullion.log 2>&1 & pid=$!")
    def listed():
      status, output = self.run("mullionctl windows --json")
      return status == 0 and json.loads(output)["windows"]
    wait_until(listed, "the session", 60, 0.5)
    return self.guest()["socket"]

  def guest(self):
    status = json.loads(self.do("mullionctl status card --json"))
    return status.get("guest", status)

  def mock_guest(self, path, *arguments):
    """Connects the mock VMM, whose guest draws the card; waits for its first frame."""
    words = " ".join(str(word) for word in (*CARD, *arguments))
    self.do(f"{shlex.quote(os.path.abspath(TESTS))}/vmm/mock-guest {path} {words} >/run/guest.log 2>&1 & mock=$!")
    wait_until(lambda: self.window()["frames"] > 0, "the guest's first frame", 30, 0.5)


def lacks():
  """Why there can be none here, or None."""
  udev = os.path.exists("/usr/lib/systemd/systemd-udevd")
  return qemu_lacks() or (None if udev else "udev is not installed")
