#!/usr/bin/env python3
"""Every process of a session is killed or stopped at random moments while two linux guests
draw under QEMU.

MULLION_TEST_SEED repeats a run; MULLION_TEST_FAULTS names the only faults there are to be,
with commas between; MULLION_TEST_ROUNDS says how many.
"""

import arena
from faults import FaultSession, Machine, is_long, seeded
from session import qemu_lacks
from tap import Plan, run_plan

OUTPUT = (1280, 800)
# Rows divide a page: the driver of bochs sets X_OFFSET and Y_OFFSET one after the other, and what is
# shown between the two has its rows in order then.
MODES = {"one": (512, 384), "two": (1024, 600)}
PERSONALITIES = {"one": "bochs", "two": "virtio-vga"}
SHORT = {"device-kill", "device-stop", "compositor-kill", "host-kill", "device-and-host-kill"} # each once
RATE = 8 # frames a second, or less where the guest is slow

plan = Plan()


@plan.test("two linux guests draw, and every pixel is right")
def begin(field):
  arena.begin(field)


@plan.test("killed and stopped processes harm no guest, and leak nothing")
def rounds(field):
  arena.run_rounds(field, 20 if is_long() else 5)


@plan.test("the session can be left, and nothing of it remains")
def leave(field):
  arena.leave(field)


def configure(session, name, number, size):
  session.configure_linux(name, f"mullion.moving={number}", size="{}x{}".format(*size), vram="32M",
    personality=PERSONALITIES[name], stop_timeout="30s")
  return Machine(session, name, number, size, RATE)


def prepare(session):
  session.configure("mullion", "[mullion]\nvram = 96M\n[desktop]\noutput = {}x{}\n".format(*OUTPUT))
  guests = [configure(session, name, number, size)
    for number, (name, size) in enumerate(MODES.items(), 1)]
  left_out = [] if is_long() else [name for name in arena.faults if name not in SHORT]
  return arena.Arena(session, seeded(), guests, OUTPUT, left_out)


if __name__ == "__main__":
  run_plan(plan, FaultSession, prepare, lacking=qemu_lacks())
