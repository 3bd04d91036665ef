#!/usr/bin/env python3
"""The same guest doing the same work for its screen on mullion and on QEMU's own virtio-gpu
with each of its displays: processor time for each frame of everything but the guest's own
processor, in windows and on the full screen; the time until what was drawn is seen; memory for
one guest more. The guest's is a machine of its own each time, with Debian's kernel; the sides
take turns, there and back. Prints one object a line, as the other benchmarks do.

gtk and sdl are windows in a headless sway. vnc has a client that reads all pixels raw, dbus one
that shares the memory. MULLION_BENCH_SIDES names the only sides to measure, "mullion,gtk".
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import frames_report as report # noqa: E402
from frames_sides import Mullion, Qemu, displays # noqa: E402
from session import qemu_lacks # noqa: E402
from tap import run_program # noqa: E402

SECONDS = 2
SMALL, LARGE = "1024x768", "1920x1080"
IN_WINDOWS = [*((work, size) for size in (SMALL, LARGE) for work in ("full", "small", "none")),
  ("rate", SMALL), ("mark", SMALL)]
FULL_SCREEN = [("full", SMALL), ("full", LARGE)]
MORE_GUESTS = 2


def make(name, *arguments, **more):
  return Mullion(*arguments, **more) if name == "mullion" else Qemu(name, *arguments, **more)


def words(seconds, phases):
  """For the guest's kernel's command line."""
  return f"mullion.frames={seconds}," + ",".join(f"{work}:{size}" for work, size in phases)


def cost(side, work, size):
  """Milliseconds of each program for a frame, of a second at the full rate; frames a second."""
  before = side.seconds()
  frames = int(side.expect(rf"^frames {work} {size} end (\d+)")[1])
  after = side.seconds()
  of = SECONDS if work == "rate" else frames
  return {name: 1000 * (after[name] - before.get(name, 0)) / of for name in after}, frames / SECONDS


def latencies(side, work, size):
  side.watch()
  side.expect(rf"^frames {work} {size} end")
  return side.latencies()


def measure_frames(side, phases):
  results = {}
  for work, size in phases:
    side.expect(rf"^frames {work} {size} begin")
    results[work, size] = (latencies if work == "mark" else cost)(side, work, size)
  return results


def measure_memory(side, phases):
  """MiB for each guest more, without the VMM's and with them."""
  sums = []
  for number in range(1, MORE_GUESTS + 2):
    if number > 1:
      side.add(number)
    for work, size in phases:
      side.expect(rf"^frames {work} {size} begin", number)
    sums.append(side.memory())
  return [tuple(b - a for a, b in zip(*pair)) for pair in zip(sums, sums[1:])]


def take_turns(turns, measure, phases, seconds=SECONDS, **more):
  """Returns of each side the results of its turns. One that fails is left out."""
  taken = {name: [] for name in turns}
  for name in turns:
    if name not in taken:
      continue
    print(f"bench: frames: {name}", file=sys.stderr, flush=True)
    side = make(name, words(seconds, phases), **more)
    try:
      taken[name].append(measure(side.start(), phases))
    except AssertionError as error:
      print(f"bench: frames: {name}: {error}", *side.session.tails(), sep="\n", file=sys.stderr)
      taken.pop(name)
    finally:
      side.finish()
  if "mullion" not in taken:
    sys.exit(1)
  return taken


def there_and_back(sides):
  return sides + sides[::-1]


def main():
  why = qemu_lacks()
  if why:
    print(f"bench: frames: {why}", file=sys.stderr)
    sys.exit(77)
  wanted = os.environ.get("MULLION_BENCH_SIDES", "").split(",")
  sides = [side for side in ("mullion", *displays()) if wanted == [""] or side in wanted]
  taken = take_turns(there_and_back(sides), measure_frames, IN_WINDOWS)
  for work, size in IN_WINDOWS:
    (report.latency if work == "mark" else report.frames)(taken, work, size)
  taken = take_turns(there_and_back([side for side in sides if side in ("mullion", "gtk")]),
    measure_frames, FULL_SCREEN, output=LARGE, fullscreen=True)
  for work, size in FULL_SCREEN:
    report.frames(taken, work, size, LARGE)
  report.memory(take_turns(sides, measure_memory, [("still", SMALL)], 600, size=SMALL))
  return 0


if __name__ == "__main__":
  run_program(main)
