"""Faults for a session: guests that draw and notice everything, killed and stopped
processes, and what is looked at from outside."""
import array
import contextlib
import fcntl
import mmap
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import threading
import time

from session import TESTS, Session, memfds, program
from tap import check, same, wait_until

BOOT_SECONDS = 120
SETTLE = 10 # seconds in which everything has to be as before
MEMORY_GROWTH = 6 << 10 # KiB of anonymous memory
LASTING = ("x", "y", "width", "height", "stack", "focused", "fullscreen")


def note(line):
  print(f"# {line}", flush=True)


def seeded():
  """The random numbers of this run, which MULLION_TEST_SEED repeats."""
  seed = os.environ.get("MULLION_TEST_SEED") or str(int.from_bytes(os.urandom(4), "big"))
  note(f"MULLION_TEST_SEED={seed}")
  return random.Random(seed)


def is_long():
  return bool(os.environ.get("MULLION_TEST_LONG"))


@contextlib.contextmanager
def stopped(*pids):
  """Stops processes; those that are still there afterwards go on."""
  for pid in pids:
    os.kill(pid, signal.SIGSTOP)
  try:
    yield
  finally:
    for pid in pids:
      with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


class Guest:
  """A guest that draws the moving picture, and notices what a guest can notice."""

  def __init__(self, session, name, number, size, rate, patience):
    self.session, self.name, self.number = session, name, number
    self.size, self.rate = size, rate # pixels, frames a second
    self.patience = patience # seconds that it may stand still while others suffer

  def look(self, area=None):
    """Looks at a picture of it, or at its area of one of the session: "whole", "torn",
    "blank" or what is wrong."""
    before = self.drawn()
    file = self.session.shot(None if area else self.name, f"look-{self.name}")
    frames = (max(0, before - 10 * self.rate), self.drawn() + 2)
    size = self.session.picture("size", file)[1]
    if not area and size != "{}x{}".format(*self.size):
      return f"wrong: its size is {size}"
    yes, answer = self.session.picture("moving", file, self.number, *frames, *(area or ()))
    if answer.startswith("wrong") and self.session.picture("plain", file, *(area or ()))[0]:
      return "blank"
    return "whole" if yes else answer


  def expect_ended(self):
    """That it has ended is for all to see, and it holds no slice."""
    wait_until(lambda: self.session.guest(self.name)["state"] in ("off", "failed"),
      f"'{self.name}' has ended", SETTLE)
    slices = [one["guest"] for one in self.session.ask("vram")["slices"]]
    check(self.name not in slices, f"slices in use: {slices}")

  def set_busy(self, busy):
    """Whether it is to do more than draw its frames, where it can."""


class Mock(Guest):
  """An external guest's VMM and guest in one; see tests/vmm/animate.h."""
  FIELDS = struct.Struct("=QQQQQQ")

  def __init__(self, session, name, number, size, rate):
    super().__init__(session, name, number, size, rate, 3)
    self.process = self.status = None
    self.log = session.path(f"{name}.mock.log")

  def start(self):
    if self.session.guest(self.name)["state"] in ("off", "failed"):
      self.session.do("start", self.name)
    file = self.session.path(f"{self.name}.status")
    with contextlib.suppress(FileNotFoundError):
      os.remove(file) # of its life before
    with open(self.log, "wb") as log:
      self.process = subprocess.Popen([os.path.join(TESTS, "vmm", "mock-guest"),
        self.session.guest(self.name)["socket"], *map(str, self.size), str(self.number),
        str(self.rate), file], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        start_new_session=True)
    self.session.started.append(self.process)
    wait_until(lambda: self.is_alive() and os.path.exists(file) and
      os.path.getsize(file) == self.FIELDS.size,
      f"'{self.name}' begins", SETTLE)
    with open(file, "r+b") as status:
      self.status = mmap.mmap(status.fileno(), self.FIELDS.size)

  def expect_drawing(self):
    wait_until(lambda: self.is_alive() and self.drawn() >= 2, f"'{self.name}' draws", SETTLE)

  def kill(self):
    self.session.end(self.process)

  def expect_gone(self):
    wait_until(lambda: not self.session.guest(self.name)["connected"],
      "the VMM is seen to be gone", SETTLE)

  def vmm_pid(self):
    return self.process.pid

  def is_alive(self):
    """True; raises where it has ended, with what it said."""
    if self.process.poll() is not None:
      with open(self.log, encoding="utf-8", errors="replace") as file:
        raise AssertionError(f"the guest in '{self.name}' noticed: {file.read().strip()}")
    return True

  def fields(self):
    """frames, time of the last one, longest time between two, mode sets, checks, busy."""
    return self.FIELDS.unpack(self.status[:])

  def drawn(self):
    return self.fields()[0]

  def checks(self):
    """Values that it has read back."""
    return self.fields()[4]

  def longest(self):
    """Seconds between two frames at most since clear_longest(), and since the last one."""
    _, last, longest, *_ = self.fields()
    return max(longest / 1e6, time.monotonic() - last / 1e6)

  def clear_longest(self):
    self.status[16:24] = bytes(8)

  def set_busy(self, busy):
    """Busy, it does not rest between frames: a device is killed in the midst of a message."""
    self.status[40:48] = struct.pack("=Q", busy)

  def expect_no_reset(self):
    same(self.session.ask("traps", self.name)["resets"], 0, f"resets of '{self.name}'")


class Machine(Guest):
  """A QEMU with the linux guest, whose testcard draws the moving picture and tells of each
  frame on the serial line: its number and the guest's uptime."""

  def __init__(self, session, name, number, size, rate):
    super().__init__(session, name, number, size, rate, 8)
    self.seen_from = 0 # in the serial line
    self.pid = None

  def lines(self):
    """Number and uptime in seconds of each frame."""
    text = self.session.serial(self.name)[self.seen_from:]
    return [(int(number), int(msec) / 1e3) for number, msec in
      re.findall(r"^frame (\d+) (\d+)$", text, re.MULTILINE)]

  def start(self):
    if self.session.guest(self.name)["state"] in ("off", "failed"):
      os.truncate(self.session.path(f"{self.name}.serial"), 0)
      self.session.do("start", self.name)
    self.seen_from = 0

  def expect_drawing(self):
    wait_until(lambda: len(self.lines()) >= 2, f"'{self.name}' draws", BOOT_SECONDS)
    self.pid = self.vmm_pid()

  def vmm_pid(self):
    return self.session.guest(self.name)["vmmPid"]

  def kill(self):
    with contextlib.suppress(ProcessLookupError):
      os.kill(self.pid, signal.SIGKILL)

  def expect_gone(self):
    self.expect_ended()
    check(self.session.guest(self.name).get("reason"), "no reason is given")

  def is_alive(self):
    """True; raises where QEMU has ended or has complained."""
    same(self.vmm_pid(), self.pid, f"the QEMU of '{self.name}'")
    with open(self.session.path("mulliond.log"), encoding="utf-8", errors="replace") as log:
      complaints = [line.strip() for line in log if f"'{self.name}': QEMU: " in line]
    check(not complaints, f"QEMU has noticed: {complaints}")
    check("Oops" not in self.session.serial(self.name), "the guest's kernel has noticed")
    return True

  def drawn(self):
    lines = self.lines()
    return lines[-1][0] if lines else 0

  def longest(self):
    times = [time for _, time in self.lines()]
    return max((after - before for before, after in zip(times, times[1:])), default=0)

  def clear_longest(self):
    """Frames before the last one count no more."""
    text = self.session.serial(self.name)
    self.seen_from = max(text.rfind("\nframe ", 0, text.rfind("\nframe ")), 0)

  def expect_no_reset(self):
    """Its kernel has started once, and its uptime has only risen."""
    text = self.session.serial(self.name)
    same(len(re.findall(r"^guest: linux ", text, re.MULTILINE)), 1, f"starts of '{self.name}'")
    times = [int(msec) for msec in re.findall(r"^frame \d+ (\d+)$", text, re.MULTILINE)]
    check(times == sorted(times), f"the uptime of '{self.name}' falls")


class Times:
  """How long things took, by name."""

  def __init__(self):
    self.lists = {}

  def add(self, name, seconds):
    self.lists.setdefault(name, []).append(seconds)

  def report(self):
    for name, values in sorted(self.lists.items()):
      note(f"{name}: median {statistics.median(values) * 1e3:.1f} ms, "
        f"max {max(values) * 1e3:.1f} ms, {len(values)} times")


def fd_targets(pid):
  """What a process's descriptors are, without numbers."""
  found = []
  for name in os.listdir(f"/proc/{pid}/fd"):
    with contextlib.suppress(OSError):
      found.append(os.readlink(f"/proc/{pid}/fd/{name}").split("[")[0])
  return sorted(found)


def usage(pid):
  """Descriptors, threads and KiB of anonymous memory."""
  with open(f"/proc/{pid}/status", encoding="utf-8") as file:
    values = dict(line.split(":", 1) for line in file)
  return len(os.listdir(f"/proc/{pid}/fd")), int(values["Threads"]), int(values["RssAnon"].split()[0])


def zombies():
  """Pids and names of ended children that nobody has asked about."""
  found = {}
  for pid in filter(str.isdigit, os.listdir("/proc")):
    with contextlib.suppress(OSError):
      with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
      if rest.split()[0] == "Z":
        found[int(pid)] = name
  return found


class Ledger:
  """What every process of a session has; nothing of it may grow."""

  def __init__(self, session):
    self.session = session
    self.first = {}  # by role
    self.most = {}   # KiB by role
    self.files = self.names = self.memfds = None

  def roles(self):
    """Pids by what they are. A process that follows another one is a role of its own."""
    roles = {f"device of '{name}'": guest["devicePid"] for name, guest in
      self.session.guests().items() if "devicePid" in guest}
    roles["mullion"] = self.session.compositor.pid
    roles["mulliond"] = self.session.host_pid()
    return {f"{role}, {self.session.births.get(role, 'the first')}": pid
      for role, pid in roles.items()}

  def excess(self):
    """A line for each thing of which there is more than at first."""
    lines = []
    names = sorted(self.session.left_over().values())
    files = sorted(self.session.sockets())
    shared = len(set().union(*(memfds(pid, 1) for pid in self.session.left_over())))
    if self.names is None:
      self.names, self.files, self.memfds = names, files, shared
    if names != self.names:
      lines.append(f"processes: {names}, not {self.names}")
    if files != self.files:
      lines.append(f"files in the runtime directory: {files}, not {self.files}")
    if shared > self.memfds:
      lines.append(f"memfds: {shared}, not {self.memfds}")
    left = {pid: name for pid, name in zombies().items() if name.startswith(("mullion", "qemu"))}
    if left:
      lines.append(f"zombies: {left}")
    for role, pid in self.roles().items():
      fds, threads, memory = usage(pid)
      first_fds, first_threads, first_memory, targets = self.first.setdefault(
        role, (fds, threads, memory, fd_targets(pid)))
      self.most[role] = max(self.most.get(role, 0), memory - first_memory)
      if fds > first_fds:
        more = fd_targets(pid)
        for target in targets:
          if target in more:
            more.remove(target)
        lines.append(f"{role}: {fds} descriptors, not {first_fds}; more: {more}")
      if threads > first_threads:
        lines.append(f"{role}: {threads} threads, not {first_threads}")
      if memory > first_memory + MEMORY_GROWTH:
        lines.append(f"{role}: {memory} KiB, not {first_memory}")
    return lines

  def check(self):
    """Fails where something has grown and does not shrink again."""
    deadline = time.monotonic() + SETTLE
    while True:
      try:
        lines = self.excess()
      except OSError as error: # a process has just ended
        lines = [str(error)]
      if not lines:
        return
      check(time.monotonic() < deadline, "leaked: " + "; ".join(lines))
      time.sleep(0.05)

  def report(self):
    for role, growth in sorted(self.most.items()):
      fds, threads, memory, _ = self.first[role]
      note(f"{role}: {fds} descriptors, {threads} threads, {memory} KiB; grew by {growth} KiB at most")


class Manager:
  """systemd's side of mulliond's units: the control socket, which is there before mulliond and
  after it, and the file-descriptor store, by name."""

  def __init__(self, path, control):
    self.path, self.control = path, control
    self.kept = {}
    self.lock = threading.Lock()
    os.makedirs(os.path.dirname(control), 0o700, exist_ok=True)
    self.listener = socket.socket(socket.AF_UNIX)
    self.listener.bind(control)
    self.listener.listen(16)
    self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    self.socket.bind(path)
    threading.Thread(target=self.read, daemon=True).start()

  def read(self):
    size = socket.CMSG_SPACE(array.array("i").itemsize)
    while True:
      text, control, _, _ = self.socket.recvmsg(4096, size, socket.MSG_CMSG_CLOEXEC)
      words = dict(line.split("=", 1) for line in text.decode().splitlines())
      fds = array.array("i")
      for _, _, data in control:
        fds.frombytes(data)
      name = words.get("FDNAME")
      with self.lock:
        if "FDSTOREREMOVE" in words or fds:
          self.drop(name)
        if fds:
          self.kept[name] = fds[0]

  def drop(self, name):
    old = self.kept.pop(name, None)
    if old is not None:
      os.close(old)

  def forget(self):
    with self.lock:
      for name in list(self.kept):
        self.drop(name)

  def finish(self):
    """No mulliond follows."""
    self.listener.close()
    os.unlink(self.control)

  def start(self, environment, log):
    """Starts mulliond with what is kept, as systemd does."""
    with self.lock:
      return self.execute(environment, log)

  def execute(self, environment, log):
    kept = {"mulliond.socket": self.listener.fileno(), **self.kept}
    names, first = list(kept), 3
    def place():
      # Out of the way first: a source may be another one's target.
      sources = [fcntl.fcntl(kept[name], fcntl.F_DUPFD, 1000) for name in names]
      for number, source in enumerate(sources):
        os.dup2(source, first + number)
      # And nothing else, whatever this process has inherited itself.
      os.closerange(first + len(names), 4096)
    environment = dict(environment, NOTIFY_SOCKET=self.path, FDSTORE="4096",
      LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names))
    # The process's own number is known only in it.
    return subprocess.Popen(["sh", "-c", 'LISTEN_PID=$$ exec "$0"', program("mulliond")],
      env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
      preexec_fn=place, close_fds=False)


class FaultSession(Session):
  """A session whose mulliond runs by itself, as under systemd, and may come and go like
  the compositor."""

  def __init__(self):
    super().__init__()
    self.compositor = self.host = None
    self.manager = Manager(self.path("notify"),
      os.path.join(self.runtime, "mullion", "io.mullion.Host"))
    self.births = {} # how each role's process came about, where it is not the first one
    self.ledger = Ledger(self)
    self.times = Times()

  def start_host(self):
    with open(self.path("mulliond.log"), "ab") as log:
      self.host = self.process = self.manager.start(self.environment, log)
    self.started.append(self.host)
    wait_until(lambda: not self.ctl("list")[0], "mulliond answers", SETTLE)

  def start_compositor(self):
    self.start("mullion")
    self.compositor = self.process
    wait_until(lambda: not self.ctl("windows")[0], "mullion answers", SETTLE)

  def host_pid(self):
    """That of the one mulliond, whoever has started it."""
    pids = [pid for pid, name in self.left_over().items() if name == "mulliond"]
    check(len(pids) == 1, f"processes of mulliond: {pids}")
    return pids[0]

  def end(self, process):
    """Kills a program of ours."""
    process.kill()
    process.wait()
    self.started.remove(process)

  def places(self):
    """Where the windows are."""
    return {name: {key: window[key] for key in LASTING} for name, window in self.windows().items()}

  def lasting(self):
    """What of the guests no fault of another one may change."""
    keys = ("state", "connected", "devicePid", "vmmPid", "sliceBase", "sliceLimit", "reason")
    return {name: {key: guest.get(key) for key in keys} for name, guest in self.guests().items()}
