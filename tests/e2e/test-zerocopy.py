#!/usr/bin/env python3
"""Pictures in a guest's own memory, in a machine whose kernel has udmabuf: what the mock VMM's driver
sees of them, and a session that shows one on a real screen without a copy.
"""
import os
import shlex

from screen import CARD, Screen, lacks
from session import TESTS
from tap import Plan, check, run_plan, same, wait_until

plan = Plan()


@plan.test("a guest's own memory is on the screen bit by bit")
def picture(machine):
  path = machine.begin("personality = virtio-vga\\nvram = 32M")
  machine.mock_guest(path, "blob")
  window = machine.window()
  same((window["modeWidth"], window["modeHeight"]), CARD, "mode")
  wait_until(lambda: machine.shows_card(window["x"], window["y"]), "the card on the screen", 20, 0.5)


def descriptors(machine):
  return machine.do(f"ls -l /proc/{machine.guest()['devicePid']}/fd")


@plan.test("nothing of it is copied")
def no_copy(machine):
  names = descriptors(machine)
  same(names.count("/dmabuf:"), 1, "dma-bufs")
  check("mullion-canvas" not in names, f"a canvas: {names}")
  same(machine.guest()["heapUsed"], 0, "bytes of the heap in use")


def replace(machine):
  before = machine.window()["frames"]
  pid = machine.guest()["devicePid"]
  machine.do(f"kill -9 {pid}")
  wait_until(lambda: machine.guest().get("devicePid") not in (None, 0, pid), "another device", 20, 0.5)
  wait_until(lambda: machine.window()["frames"] > before, "its first frame", 20, 0.5)
  window = machine.window()
  wait_until(lambda: machine.shows_card(window["x"], window["y"]), "the card again", 20, 0.5)


@plan.test("a device that is replaced shows it again")
def replaced(machine):
  for _ in range(4):
    replace(machine)
  same(descriptors(machine).count("/dmabuf:"), 1, "dma-bufs")
  same(machine.guest()["heapUsed"], 0, "bytes of the heap in use")


@plan.test("a device that is replaced and finds no udmabuf copies it")
def without(machine):
  machine.do("mv /dev/udmabuf /dev/udmabuf.away")
  replace(machine)
  names = descriptors(machine)
  check("dmabuf" not in names, f"a dma-buf: {names}")
  machine.do("mv /dev/udmabuf.away /dev/udmabuf")


@plan.test("every case of the mock VMM's driver passes")
def cases(machine):
  machine.do("kill $mock; kill $pid; wait $pid")
  program = shlex.quote(os.path.join(os.path.abspath(TESTS), "mock/mock-blob"))
  status, output = machine.run(f"CMOCKA_MESSAGE_OUTPUT=TAP MULLION_PROGRAMS=${{PATH%%:*}} timeout 200 {program}")
  failed = [line for line in output.splitlines() if not line.startswith("ok")]
  check(status == 0, "\n".join(failed))
  check(output.count("\nok") >= 12, output)


if __name__ == "__main__":
  run_plan(plan, Screen, lacking=lacks())
