#!/usr/bin/env python3
"""Every process of a session is killed or stopped at random moments while three guests
without machines draw.

MULLION_TEST_SEED repeats a run; MULLION_TEST_FAULTS names the only faults there are to be,
with commas between; MULLION_TEST_ROUNDS says how many.
"""

import arena
from faults import FaultSession, Mock, is_long, note, seeded
from tap import Plan, run_plan

OUTPUT = (1024, 640)
MODES = {"one": (320, 240), "two": (400, 300), "three": (256, 192)}
RATE = 40 # frames a second

plan = Plan()


@plan.test("three guests draw, and every pixel is right")
def begin(field):
  arena.begin(field)


@plan.test("killed and stopped processes harm no guest, and leak nothing")
def rounds(field):
  arena.run_rounds(field, 200 if is_long() else 20)
  note(f"values that the guests read back: {sum(guest.checks() for guest in field.guests)}")


@plan.test("the session can be left, and nothing of it remains")
def leave(field):
  arena.leave(field)


def prepare(session):
  session.configure("mullion", "[mullion]\nvram = 32M\n[desktop]\noutput = {}x{}\n".format(*OUTPUT))
  guests = []
  for number, (name, size) in enumerate(MODES.items(), 1):
    session.configure(name, "[gpu]\npersonality = bochs\nvram = 4M\nsize = {}x{}\n[machine]\nvmm = external\n".format(*size))
    guests.append(Mock(session, name, number, size, RATE))
  return arena.Arena(session, seeded(), guests, OUTPUT)


if __name__ == "__main__":
  run_plan(plan, FaultSession, prepare)
