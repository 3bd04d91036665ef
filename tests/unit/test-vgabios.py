#!/usr/bin/env python3
"""The option ROM that the build makes of SeaBIOS's. Usage: test-vgabios.py PATCH-VGABIOS"""
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from tap import Plan, check, same # pylint: disable=wrong-import-position

plan = Plan()
DATA = 0x40


def make_rom(size=1024, tail=b""):
  rom = bytearray(range(256)) * (size // 256)
  rom[:3] = b"\x55\xaa" + bytes([size // 512])
  struct.pack_into("<H", rom, 0x18, DATA)
  rom[DATA:DATA + 8] = b"PCIR\x34\x12\x11\x11"
  return rom + tail


def patched(rom, ids="1af4:1050"):
  """The patched ROM, or None where it was refused."""
  with tempfile.TemporaryDirectory() as folder:
    source, output = os.path.join(folder, "rom"), os.path.join(folder, "out")
    with open(source, "wb") as file:
      file.write(rom)
    done = subprocess.run([sys.argv[1], source, ids, output], capture_output=True)
    if done.returncode != 0:
      check(not os.path.exists(output), "a refused ROM was written")
      return None
    with open(output, "rb") as file:
      return file.read()


@plan.test("a ROM gets the ids of the card, and nothing else changes but its last byte")
def ids():
  before, after = make_rom(), patched(make_rom())
  same(after[DATA + 4:DATA + 8], b"\xf4\x1a\x50\x10", "the ids")
  same([i for i in range(len(before)) if before[i] != after[i] and not DATA + 4 <= i < DATA + 8],
    [len(before) - 1], "what changed")


@plan.test("the bytes of a patched ROM add up to nothing")
def checksum():
  for device in range(0, 0x10000, 0x1111):
    same(sum(patched(make_rom(), f"1af4:{device:x}")) % 256, 0, "the sum")


@plan.test("what follows the ROM in its file is no part of the sum")
def tail():
  after = patched(make_rom(tail=b"\x07" * 100))
  same(sum(after[:1024]) % 256, 0, "the sum")
  same(after[1024:], b"\x07" * 100, "what follows")


@plan.test("what is no option ROM of a PCI card is refused")
def refused():
  rom = make_rom()
  for wrong in (b"\x00" + rom[1:], rom[:512], rom[:2] + b"\x00" + rom[3:], rom.replace(b"PCIR", b"PCIX")):
    same(patched(wrong), None, "the result")


sys.exit(plan.run() != 0)
