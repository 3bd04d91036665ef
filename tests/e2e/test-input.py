#!/usr/bin/env python3
"""Keys, pointer and lock over virtio-input under a real guest: Debian's kernel, which finds four
more devices and takes all of its input from them, while firmware and what has no driver go on with
the machine's own keyboard and tablet.
"""
import os
import re
import signal

from session import KEY_LEFTSHIFT, TESTS, Session, qemu_lacks
from tap import Plan, check, run_plan, same, wait_until

MODE = (800, 600)
BOOT_SECONDS = 120
KEY_ESC, KEY_1, KEY_A, KEY_SPACE, KEY_G = 1, 2, 30, 57, 34
KEYS = (16, 17, 18, 19, 20, 21, 22, 23, 24, 25) # q to p
BTN_LEFT, BTN_RIGHT, BTN_TOUCH = 272, 273, 330
ABS_MT_SLOT, ABS_MT_POSITION_X, ABS_MT_TRACKING_ID = 47, 53, 57
NAMES = ("mullion keyboard", "mullion tablet", "mullion mouse", "mullion touch screen")
TYPED = 200

plan = Plan()


def configure(session):
  session.configure("mullion", "[mullion]\nvram = 64M\n[desktop]\noutput = 1280x800\n")
  session.configure_linux("linux", size="{}x{}".format(*MODE),
    extra="-boot menu=on,splash-time=20000")


def lines(session, pattern, mark):
  return re.findall(pattern, session.serial("linux")[mark:], re.MULTILINE)


def last_speaker(session, mark):
  """The device that the last of what the guest has seen since then came from."""
  names = lines(session, "^from (.*)$", mark)
  return names[-1] if names else None


def speaker(session):
  """The device of which the guest spoke last."""
  return last_speaker(session, 0)


def is_console(session, mark):
  """Leaves the test card for a shell."""
  session.expect_serial("linux", "^card ", mark, BOOT_SECONDS)
  session.input(f"key {KEY_SPACE}")
  session.expect_serial("linux", "^guest: console", mark, 20)


def shell(session, command, pattern, seconds=20):
  mark = session.mark("linux")
  session.input(f"type \\n{command}\\n") # after whatever was typed before
  return session.expect_serial("linux", pattern, mark, seconds)


def choose_linux(session):
  """Keys reach SeaBIOS: it waits with its menu, and starts what is chosen there. Only then does
  the guest speak."""
  mark = session.mark("linux")
  old = session.path("linux.png")

  def shows_menu():
    session.input(f"key {KEY_ESC}")
    return session.ctl("screenshot", "linux", old)[0] == 0 and not session.picture("plain", old)[0]
  wait_until(shows_menu, "the firmware draws", 60, 0.3)
  session.input("sleep 2000")
  same(session.serial("linux")[mark:].count("guest: linux"), 0, "starts without a choice")

  def starts():
    session.input(f"key {KEY_1}")
    return "guest: linux" in session.serial("linux")[mark:]
  wait_until(starts, "what was chosen starts", BOOT_SECONDS, 1)


@plan.test("firmware gets keys as ever: its menu is opened and chosen from")
def firmware(session):
  session.start(executable=os.path.join(TESTS, "mullion-machine"))
  wait_until(lambda: not session.ctl("windows")[0], "mullion answers", 30)
  session.do("start", "linux")
  wait_until(lambda: "linux" in session.windows(), "its window is there", 30)
  session.do("focus", "linux")
  choose_linux(session)


@plan.test("the guest finds a keyboard, a tablet, a mouse and a touch screen, and what they are")
def devices(session):
  is_console(session, 0)
  for name in NAMES:
    session.expect_serial("linux", f"^device {name}$")
  mark = session.mark("linux")
  shell(session, "cat /proc/bus/input/devices > /dev/ttyS0; echo the end > /dev/ttyS0", "^the end")
  found = {}
  for block in session.serial("linux")[mark:].split("\n\n"):
    name = re.search('^N: Name="(.*)"$', block, re.MULTILINE)
    if name:
      found[name.group(1)] = block
  # udev and libinput go by these: EV with keys, lamps and repeats; places; steps; PROP 2 is direct.
  for name, *bits in ((NAMES[0], "EV=120003", "LED=7"), (NAMES[1], "EV=f", "ABS=3", "PROP=0"),
      (NAMES[2], "EV=7", "PROP=0"), (NAMES[3], "EV=b", "PROP=2", "ABS=260800000000003")):
    for bit in bits:
      check(f"B: {bit}" in found[name].splitlines(), f"{bit} of {name}: {found[name]}")
    check("U: Uniq=linux" in found[name].splitlines(), found[name])
  check("kbd" in re.search("Handlers=(.*)", found[NAMES[0]]).group(1), found[NAMES[0]])
  same(speaker(session), NAMES[0], "what the keys came from")


@plan.test("hundreds of keys typed without a pause arrive, each and in order")
def typed(session):
  mark = session.mark("linux")
  session.input(f"taps {TYPED} {' '.join(map(str, KEYS))}")
  expected = [str(KEYS[i % len(KEYS)]) for i in range(TYPED)]
  wait_until(lambda: len(lines(session, "^key (\\d+) 1$", mark)) >= TYPED, "all keys have come", 20)
  session.input("sleep 300")
  same(lines(session, "^key (\\d+) 1$", mark), expected, "keys that were pressed")
  same(lines(session, "^key (\\d+) 0$", mark), expected, "keys that were released")
  same(lines(session, "^dropped", mark), [], "events that the kernel has dropped")
  same(last_speaker(session, mark) or NAMES[0], NAMES[0], "what they came from")


@plan.test("the guest repeats a key that is held, and nobody else does")
def repeated(session):
  mark = session.mark("linux")
  session.input(f"press {KEY_A}", "sleep 1500", f"release {KEY_A}")
  session.expect_serial("linux", f"^key {KEY_A} 0$", mark, 10)
  check(len(lines(session, f"^repeat {KEY_A}$", mark)) >= 5, "it is not repeated")
  same(len(lines(session, f"^key {KEY_A} 1$", mark)), 1, "presses")


@plan.test("the pointer is where it is pointed at, its buttons and its wheel work")
def pointer(session):
  x, y, width, height = session.window("linux")
  for share in ((1, 4), (3, 4)):
    mark = session.mark("linux")
    at = (x + width * share[0] // share[1], y + height // 2)
    session.input("move {} {}".format(*at))
    session.expect_serial("linux", r"^pointer \d+ \d+$", mark, 10)
    expected = (32768 * share[0] // share[1], 32768 // 2)

    def there():
      seen = lines(session, r"^pointer (\d+) (\d+)$", mark)[-1]
      return all(abs(int(seen[i]) - expected[i]) < 32768 // MODE[i] + 1 for i in (0, 1))
    wait_until(there, f"the pointer is at {expected}", 5)
  mark = session.mark("linux")
  session.input(f"button {BTN_RIGHT} 1", f"button {BTN_RIGHT} 0", "wheel 2")
  session.expect_serial("linux", f"^key {BTN_RIGHT} 0$", mark, 10)
  session.expect_serial("linux", "^wheel -2$", mark, 10)
  same(speaker(session), NAMES[1], "what they came from")


@plan.test("motion of a locked pointer and its buttons are the mouse's")
def locked(session):
  mark = session.mark("linux")
  session.input(f"key {KEY_G} super", *["by 5 -3"] * 20, f"button {BTN_LEFT} 1", f"button {BTN_LEFT} 0")
  wait_until(lambda: [sum(map(int, lines(session, rf"^motion {axis} (-?\d+)$", mark))) for axis in (0, 1)] ==
    [100, -60], "the guest sees all of the motion", 10)
  session.expect_serial("linux", f"^key {BTN_LEFT} 0$", mark, 10)
  same(last_speaker(session, mark), NAMES[2], "what it came from")
  session.input(f"key {KEY_G} super")


@plan.test("two fingers are two contacts of the touch screen, each with its way")
def fingers(session):
  session.touch("plug")
  session.expect_keys("linux") # its device has heard of the touch screen before
  x, y, width, height = session.window("linux")
  at = lambda share: f"{x + width * share // 8} {y + height // 2}"
  mark = session.mark("linux")
  session.touch(f"down 0 {at(2)}", f"down 1 {at(6)}", "frame", f"motion 0 {at(4)}", "frame", "up 0", "up 1", "frame")
  session.expect_serial("linux", f"^key {BTN_TOUCH} 0$", mark, 10)
  slot, ids, ways = 0, {0: [], 1: []}, {0: [], 1: []}
  for code, value in lines(session, r"^contact (\d+) (-?\d+)$", mark):
    if int(code) == ABS_MT_SLOT:
      slot = int(value)
    elif int(code) == ABS_MT_TRACKING_ID:
      ids[slot].append(int(value))
    elif int(code) == ABS_MT_POSITION_X:
      ways[slot].append(round(int(value) * 8 / 32768, 1))
  same(ways, {0: [2, 4], 1: [6]}, "eighths of the screen where they were")
  for slot in ids:
    check(len(ids[slot]) == 2 and ids[slot][0] >= 0 and ids[slot][1] == -1, f"contacts of slot {slot}: {ids[slot]}")
  check(ids[0][0] != ids[1][0], "both are one contact")
  same(last_speaker(session, mark), NAMES[3], "what they came from")
  session.touch("unplug")


@plan.test("a key is held while the device is killed: it is released, and typing goes on")
def killed(session):
  session.do("focus", "linux")
  mark = session.mark("linux")
  session.input(f"press {KEY_A}")
  session.expect_serial("linux", f"^key {KEY_A} 1$", mark, 10)
  pid = session.guest("linux")["devicePid"]
  os.kill(pid, signal.SIGKILL)
  session.expect_serial("linux", f"^key {KEY_A} 0$", mark, 20)
  wait_until(lambda: session.guest("linux")["devicePid"] not in (0, pid), "another device serves", 20)
  session.input(f"release {KEY_A}")
  session.expect_keys("linux")
  same(speaker(session), NAMES[0], "what the keys come from")
  same(len(lines(session, f"^key {KEY_A} 1$", mark)), len(lines(session, f"^key {KEY_A} 0$", mark)), "presses")


@plan.test("what is typed while the device is replaced, or hangs, is not lost")
def typed_without_device(session):
  for number, end in enumerate((signal.SIGKILL, signal.SIGSTOP)):
    pid = session.guest("linux")["devicePid"]
    session.input("type \\n", "sleep 500")
    os.kill(pid, end)
    shell(session, f"echo Typed-$(({number}+54)) > /dev/ttyS0", f"^Typed-{number + 54}$", 40)
    check(session.guest("linux")["devicePid"] != pid, "the device was not replaced")


@plan.test("keys go on without the driver, and come back to it")
def without_driver(session):
  drivers = "/sys/bus/virtio/drivers/virtio_input"
  session.input(f"key {KEY_LEFTSHIFT}")
  shell(session, f"cd {drivers}; for i in virtio*; do echo $i > /tmp-$i; echo $i > unbind; done; echo gone > /dev/ttyS0",
    "^gone")
  session.expect_keys("linux")
  check("AT Translated" in speaker(session), f"keys come from {speaker(session)}")
  mark = session.mark("linux")
  shell(session, "for i in /tmp-*; do echo ${i#/tmp-} > bind; done; cd /; echo back > /dev/ttyS0", "^back")
  session.expect_serial("linux", f"^device {NAMES[0]}$", mark, 10)
  session.expect_keys("linux")
  same(speaker(session), NAMES[0], "what the keys come from")


@plan.test("a reboot gives the keys to the firmware, and the next driver takes them again")
def reboot(session):
  mark = session.mark("linux")
  session.input("type reboot -f\\n")
  wait_until(lambda: session.ask("traps", "linux")["resets"] > 1, "the GPU is reset", 30)
  choose_linux(session)
  is_console(session, mark)
  session.expect_keys("linux")
  same(speaker(session), NAMES[0], "what the keys come from")


@plan.test("the guest powers off, and nothing is left over")
def power_off(session):
  session.do("stop", "linux")
  session.expect_state("linux", "off", 20)
  session.process.terminate()
  same(session.process.wait(30), 0, "mullion's exit status")
  wait_until(lambda: not session.left_over(), "all processes have ended", 20)


if __name__ == "__main__":
  run_plan(plan, Session, configure, lacking=qemu_lacks())
