#!/usr/bin/env python3
"""A real guest whose GPU process is killed again and again: while its console scrolls,
while a picture is drawn, while it boots anew. The guest must not notice.
"""
import os
import random
import re
import signal
import time

from session import Session, qemu_lacks
from tap import Plan, check, run_plan, same, wait_until

LONG = bool(os.environ.get("MULLION_TEST_LONG"))
KILLS = 20 if LONG else 6
REBOOT_KILLS = 3
# More than 5 deaths in 10 seconds and mulliond lets the next one wait; 20 in a minute and it
# gives up.
GAP_SECONDS = 5.1 if LONG else 0.4
RECOVERY_SECONDS = 10
BOOT_SECONDS = 120
NAME = "linux"
KEYBOARD = "mullion keyboard" # a function of the device, too
KEY_C, KEY_SPACE = 46, 57

plan = Plan()
dice = random.Random(7)


def kill_device(session):
  """Kills it and waits for the next one; returns how long there was none."""
  before = session.guest(NAME)
  start = time.monotonic()
  os.kill(before["devicePid"], signal.SIGKILL)
  after = wait_until(lambda: next((guest for guest in [session.guest(NAME)]
    if guest.get("devicePid") not in (None, before["devicePid"])), None),
    "there is another GPU process", RECOVERY_SECONDS)
  took = time.monotonic() - start
  same(after["state"], "running", "the guest's state")
  same(after["vmmPid"], before["vmmPid"], "QEMU's process")
  same(after["deviceRestarts"], before["deviceRestarts"] + 1, "the count of restarts")
  return took


def complaints(session):
  """What QEMU has said, as mulliond passes it on."""
  lines = []
  for name in os.listdir(session.folder):
    if name.endswith(".log"):
      with open(session.path(name), encoding="utf-8", errors="replace") as file:
        lines += re.findall(r"QEMU: .*", file.read())
  return lines


def type_line(session, line):
  """Types it once the guest is shown again: a new GPU process has the focus only then."""
  wait_until(lambda: session.guest(NAME)["shown"], "the guest is shown", 20)
  session.expect_keys(NAME)
  session.input(f"type \\n{line}\\n")


def is_card(session):
  """False also while a new GPU process has not shown anything yet."""
  file = session.path("card.png")
  return session.ctl("screenshot", NAME, file)[0] == 0 and session.picture("card", file)[0]


def uptime(session):
  mark = session.mark(NAME)
  type_line(session, "echo Up-$(cut -d. -f1 /proc/uptime) > /dev/ttyS0")
  return int(session.expect_serial(NAME, r"^Up-(\d+)", mark).group(1))


def typed_on(session):
  """The guest's device that its last input came from."""
  return re.findall(r"^from (.*)$", session.serial(NAME), re.MULTILINE)[-1]


def reset_count(session):
  return session.ask("traps", NAME)["resets"]


@plan.test("a guest boots and shows its console")
def boot(session):
  session.start()
  wait_until(lambda: not session.ctl("windows")[0], "mullion answers", 20)
  session.do("start", NAME)
  session.expect_serial(NAME, "^guest: console", seconds=BOOT_SECONDS)
  session.do("focus", NAME)
  check(uptime(session) >= 0, "the shell does not answer")
  same(typed_on(session), KEYBOARD, "where keys come from")


@plan.test(f"{KILLS} kills while the console scrolls pass unnoticed")
def scroll(session):
  session.up, session.resets = uptime(session), reset_count(session)
  type_line(session, "while :; do cat /proc/interrupts; done")
  times = []
  for _ in range(KILLS):
    time.sleep(GAP_SECONDS + dice.random() / 4)
    times.append(kill_device(session))
  print(f"# seen by mullionctl: {1000 * min(times):.0f} to {1000 * max(times):.0f} ms", flush=True)
  wait_until(lambda: session.guest(NAME)["shown"], "the guest is shown", 20)
  time.sleep(0.5)
  session.input(f"key {KEY_C} ctrl")
  check(uptime(session) > session.up, "the guest has started anew")
  same(typed_on(session), KEYBOARD, "where keys come from")
  same(reset_count(session), session.resets, "resets of the GPU")
  same(complaints(session), [], "what QEMU says")
  check(session.guest(NAME)["connected"], "QEMU is no longer connected")


@plan.test("a picture that is drawn between kills is right to the pixel")
def draw(session):
  for _ in range(3):
    mark = session.mark(NAME)
    type_line(session, "testcard 0 > /dev/ttyS0")
    kill_device(session)
    session.expect_serial(NAME, "^card ", mark)
    kill_device(session)
    wait_until(lambda: is_card(session), "the card is whole", 20)
    session.expect_keys(NAME)
    session.input(f"key {KEY_SPACE}") # ends it
    time.sleep(1)
  same(complaints(session), [], "what QEMU says")


@plan.test("a reboot with its changes of the memory map works, with kills in it, too")
def reboot(session):
  for kills in (0, REBOOT_KILLS):
    mark = session.mark(NAME)
    type_line(session, "reboot -f")
    for _ in range(kills):
      time.sleep(0.3 + dice.random())
      kill_device(session)
    session.expect_serial(NAME, "^guest: console", mark, BOOT_SECONDS)
    check(reset_count(session) > session.resets, "the GPU has seen no reset")
  mark = session.mark(NAME)
  type_line(session, "testcard 0 > /dev/ttyS0")
  session.expect_serial(NAME, "^card ", mark)
  wait_until(lambda: is_card(session), "the card is whole", 20)
  same(complaints(session), [], "what QEMU says")


@plan.test("it can be left in order")
def leave(session):
  session.do("leave")
  same(session.process.wait(60), 0, "the status of mullion")
  wait_until(lambda: not session.left_over(), "all ends", 10)


def configure(session):
  session.configure("mullion", "[mullion]\nvram = 64M\n[desktop]\noutput = 1024x768\n")
  session.configure_linux(NAME, "mullion.card=1", input="virtio")


if __name__ == "__main__":
  run_plan(plan, Session, configure, lacking=qemu_lacks())
