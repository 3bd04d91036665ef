#!/usr/bin/env python3
"""A key and a pointer's motion, from the user to a program of the guest, over virtio-input and over
QMP (a PS/2 keyboard, a USB tablet), in one guest: its driver is taken away and given back, in
turns. The program answers over a serial port, the same way for both. Prints one object a line, as
the other benchmarks do.
"""
import os
import random
import re
import select
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import frames_report as report # noqa: E402
from frames_cost import seconds_of # noqa: E402
from session import Session, qemu_lacks # noqa: E402
from tap import check, run_program, wait_until # noqa: E402

TURNS = ("virtio", "qmp", "qmp", "virtio", "virtio", "qmp", "qmp", "virtio")
EVENTS = 100 # of each kind a turn
PAUSE = (0.010, 0.030) # seconds between them, so that they meet polls at any time
BOOT_SECONDS = 120
KEY_F13, KEY_SPACE = 183, 57
NAMES = {"virtio": ("mullion keyboard", "mullion tablet"), "qmp": ("AT Translated Set 2 keyboard", "QEMU QEMU USB Tablet")}
DRIVER = "/sys/bus/virtio/drivers/virtio_input"
COUNTED = ("mullion-device", "mulliond", "qemu-system-x86_64")


class Guest:
  def __init__(self, session):
    self.session = session
    self.heard, self.speaker = b"", None
    self.fifo = session.path("answers")
    os.mkfifo(self.fifo)
    self.answers = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
    session.configure("mullion", "[mullion]\nvram = 64M\n[desktop]\noutput = 1280x800\n")
    session.configure_linux("linux", input="virtio", paths=self.fifo,
      extra=f"-name debug-threads=on -serial file:{self.fifo}")
    session.start()
    wait_until(lambda: session.ctl("windows")[0] == 0, "mullion answers", BOOT_SECONDS)
    session.do("start", "linux")
    session.expect_serial("linux", "^card ", seconds=BOOT_SECONDS)
    session.do("focus", "linux")
    mark = session.mark("linux")
    session.input(f"key {KEY_SPACE}")
    session.expect_serial("linux", "^guest: console", mark)
    session.input("type killall watch-input; watch-input > /dev/ttyS1 &\\n")

  def hear(self, pattern):
    """Reads to the next line that matches, in which the guest's program answers; returns when its
    first byte came."""
    first = None
    while True:
      while b"\n" in self.heard:
        line, self.heard = self.heard.split(b"\n", 1)
        name = re.match("from (.*?)\r?$", line.decode(errors="replace"))
        self.speaker = name[1] if name else self.speaker
        if re.match(pattern, line):
          return first
      check(select.select([self.answers], [], [], 10)[0], f"no answer {pattern}")
      first = first or time.monotonic()
      self.heard += os.read(self.answers, 65536)

  def comes_from(self, command, answer, name):
    """Whether the answer to a command comes from that device."""
    self.session.input(command)
    self.hear(answer)
    return self.speaker == name

  def choose(self, way):
    """Has the guest's driver of virtio-input run, or not. A PS/2 keyboard loses some of what is
    typed: then it is typed again."""
    which = "bind" if way == "virtio" else "unbind"
    x, y, _, _ = self.session.window("linux")

    def chosen():
      self.session.input(f"type \\nfor i in 1 2 3 4; do echo virtio$i > {DRIVER}/{which} 2> /dev/null; done\\n", "sleep 1000")
      keyboard, pointer = NAMES[way]
      self.session.input(f"move {x + 40} {y + 40}")
      return self.comes_from(f"key {KEY_F13}", b"key 183 0", keyboard) and self.comes_from("wheel 1", b"wheel", pointer)
    wait_until(chosen, f"input comes over {way}", BOOT_SECONDS)

  def time(self, command, answer):
    """Milliseconds from a command to the first byte of the answer."""
    time.sleep(random.uniform(*PAUSE))
    began = time.monotonic()
    self.session.input_process.stdin.write(command + "\n")
    ended = self.hear(answer)
    check(self.session.input_process.stdout.readline() == "ok\n", "virtual-input has ended")
    return 1000 * (ended - began)

  def seconds(self):
    return sum(seconds_of(pid) for pid, name in self.session.left_over().items() if name in COUNTED)


def keys(guest):
  return [guest.time(f"{'release' if i % 2 else 'press'} {KEY_F13}", b"key 183 %d" % (1 - i % 2)) for i in range(EVENTS)]


def motions(guest):
  """The program says where the pointer is for each axis, of which both change."""
  x, y, _, _ = guest.session.window("linux")
  times = []
  for i in range(EVENTS):
    times.append(guest.time(f"move {x + 20 + 3 * (i % 100)} {y + 60 + 3 * (i % 100)}", b"pointer"))
    guest.hear(b"pointer")
  return times


def cost(guest, commands):
  """Microseconds of processor time that one of the commands takes, beyond the idle guest's. A key
  ends them."""
  def spent(work):
    before, began = guest.seconds(), time.monotonic()
    work()
    return guest.seconds() - before, time.monotonic() - began

  def work():
    guest.session.input(*commands, "key 184")
    guest.hear(b"key 184 0")
  busy, length = spent(work)
  idle, _ = spent(lambda: time.sleep(length))
  return 1e6 * (busy - idle) / len(commands)


def measure(guest):
  x, y, _, _ = guest.session.window("linux")
  return {
    "key": keys(guest),
    "motion": motions(guest),
    "key-cost": cost(guest, [f"press {KEY_F13}", f"release {KEY_F13}"] * EVENTS),
    "motion-cost": cost(guest, [f"move {x + 20 + i} {y + 60 + i}" for i in range(2 * EVENTS)]),
  }


def main():
  why = qemu_lacks()
  if why:
    print(f"bench: input: {why}", file=sys.stderr)
    sys.exit(77)
  session = Session()
  taken = {"virtio": [], "qmp": []}
  try:
    guest = Guest(session)
    for way in TURNS:
      print(f"bench: input: {way}", file=sys.stderr, flush=True)
      guest.choose(way)
      taken[way].append(measure(guest))
  except AssertionError as error:
    print(f"bench: input: {error}", *session.tails(), sep="\n", file=sys.stderr)
    return 1
  finally:
    session.finish()
  for kind, what, peer in (("key", "a key, from the user to the guest's program", "QMP and PS/2"),
      ("motion", "the pointer's motion, likewise", "QMP and USB")):
    values = {way: sorted(value for turn in turns for value in turn[kind]) for way, turns in taken.items()}
    for way in values:
      cut = len(values[way]) // 20
      report.own(f"input-{kind}-{way}", f"{what}, over {way}", "ms", values[way][cut:len(values[way]) - cut])
    report.peer(f"input-{kind}", what, "ms", *([statistics.median(turn[kind]) for turn in taken[way]]
      for way in ("virtio", "qmp")), peer, 1)
    report.peer(f"input-{kind}-cost", f"{what}: processor time of device, mulliond and VMM", "us",
      *([turn[f"{kind}-cost"] for turn in taken[way]] for way in ("virtio", "qmp")), peer, 1)
  return 0


if __name__ == "__main__":
  run_program(main)
