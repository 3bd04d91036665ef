"""A whole mullion session for tests: configuration, programs, guests, input, pictures."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from tap import check, same, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("MULLION_TEST_BUILD") or os.path.join(HERE, "..", "..", "build")
TESTS = os.path.join(BUILD, "tests")
KEY_LEFTSHIFT = 42
PROGRAMS = ("mullion", "mulliond", "mullion-device", "qemu-system-x86_64")


def program(name):
  return os.path.join(BUILD, name)


def qemu_lacks():
  """Why the real QEMU cannot be used here, or None."""
  qemu = shutil.which("qemu-system-x86_64")
  if qemu is None:
    return "qemu-system-x86_64 is not installed"
  devices = subprocess.run([qemu, "-device", "help"], capture_output=True, text=True).stdout
  return None if '"vfio-user-pci"' in devices else "this QEMU has no vfio-user-pci"


def make_linux(suite):
  """Packs the linux guest; returns the paths of its kernel and initramfs."""
  make = os.path.join(HERE, "..", "guests", "make")
  made = subprocess.run([make, suite, os.path.join(TESTS, "guests")], check=True,
    stdout=subprocess.PIPE, text=True)
  return made.stdout.split()


def make_desktop(*words):
  """Makes the desktop guest where it is not there yet; returns the paths of its disk, its
  kernel and its initramfs, or nothing where it cannot be made. See tests/guests/make-desktop."""
  made = subprocess.run([os.path.join(HERE, "..", "guests", "make-desktop"), *words],
    stdout=subprocess.PIPE, text=True)
  check(made.returncode in (0, 77), "the desktop guest could not be made")
  return made.stdout.split() if made.returncode == 0 else []


def processes():
  """Pid and name of every process of mullion's or QEMU."""
  found = {}
  for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
      with open(f"/proc/{pid}/cmdline", "rb") as file:
        name = os.path.basename(file.read().split(b"\0")[0]).decode()
      with open(f"/proc/{pid}/stat") as file:
        state = file.read().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
      continue
    if name in PROGRAMS and state != "Z":
      found[int(pid)] = name
  return found


def memfds(pid, smallest=1 << 20):
  """(device, inode) of every memfd of at least that size that a process holds or maps."""
  found = set()
  for folder in ("fd", "map_files"):
    folder = f"/proc/{pid}/{folder}"
    for name in os.listdir(folder):
      path = os.path.join(folder, name)
      try:
        if "/memfd:" in os.readlink(path):
          status = os.stat(path)
          if status.st_size >= smallest:
            found.add((status.st_dev, status.st_ino))
      except OSError:
        pass # closed meanwhile
  return found


class Session:
  """Its folder, and, after start(), the compositor with all that it started."""

  def __init__(self):
    self.folder = tempfile.mkdtemp(prefix="mullion-e2e-", dir="/tmp")
    self.runtime = self.path("run")
    os.makedirs(self.path("config/guests"))
    os.mkdir(self.runtime, 0o700)
    self.process = None  # the last one of started
    self.started = []
    self.input_process = None
    self.before = set(processes())
    self.environment = dict(os.environ,
      MULLION_CONFIG_DIR=self.path("config"), XDG_RUNTIME_DIR=self.runtime,
      XDG_STATE_HOME=self.path("state"),
      WLR_BACKENDS="headless", WLR_RENDERER="pixman",
      PATH=os.path.abspath(BUILD) + ":" + os.environ["PATH"])
    for name in ("WAYLAND_DISPLAY", "DISPLAY", "MULLION_RUNTIME_DIR"):
      self.environment.pop(name, None)

  def path(self, name):
    return os.path.join(self.folder, name)

  def configure(self, name, text):
    """Writes mullion.ini, or guests/NAME.ini."""
    file = "mullion.ini" if name == "mullion" else f"guests/{name}.ini"
    with open(self.path(f"config/{file}"), "w") as out:
      out.write(text)

  def configure_linux(self, name, card="mullion.card=0", suite="trixie", size="800x600",
      vram="32M", memory="256M", firmware="bios", personality=None, stop_timeout="2s",
      autostart="no", gpu="", append="", input=None, extra="", paths=""):
    """Writes the file of a linux guest, which boots the kernel of a suite, shows the test card
    (see tests/guests/init) and writes to its first serial port. Without a personality or
    a way for its input it has the default one."""
    kernel, initrd = make_linux(suite)
    if personality:
      gpu += f"\npersonality = {personality}"
    self.configure(name, f"""
[guest]
autostart = {autostart}
stop-timeout = {stop_timeout}
[gpu]
vram = {vram}
size = {size}
{gpu}
[machine]
memory = {memory}
cpus = 1
firmware = {firmware}
kernel = {kernel}
initrd = {initrd}
append = quiet console=tty0 {card} {append}
network = none
{f"input = {input}" if input else ""}
extra = -serial file:{self.serial_file(name)} {extra}
paths = {self.path(name + '.serial')}{":" + paths if paths else ""}
""")

  def start(self, name="mullion", executable=None, **more):
    """executable stands in the program's place."""
    with open(self.path(f"{name}.log"), "ab") as log:
      self.process = subprocess.Popen([program(name)], executable=executable,
        env=dict(self.environment, **more), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        start_new_session=True)
    self.started.append(self.process)

  def left_over(self):
    """Processes that were not there before."""
    return {pid: name for pid, name in processes().items() if pid not in self.before}

  def sockets(self):
    return [name for folder, _, names in os.walk(self.runtime) for name in names
      if not name.endswith(".lock")]

  def finish(self):
    """Ends whatever is left, without complaint, and removes the folder."""
    if self.input_process:
      self.input_process.kill()
      self.input_process.wait()
    for process in reversed(self.started):
      if process.poll() is None:
        process.terminate()
        try:
          process.wait(20)
        except subprocess.TimeoutExpired:
          process.kill()
          process.wait()
    for pid in self.left_over():
      os.kill(pid, signal.SIGKILL)
    shutil.rmtree(self.folder, ignore_errors=True)

  # mullionctl

  def ctl(self, *words):
    """Runs mullionctl; returns its status, output and errors."""
    done = subprocess.run([program("mullionctl"), *words], env=self.environment,
      stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr

  def do(self, *words):
    """Runs mullionctl, which has to succeed; returns its output."""
    status, out, errors = self.ctl(*words)
    check(status == 0, f"mullionctl {' '.join(words)}: status {status}: {errors.strip()}")
    return out

  def ask(self, *words):
    return json.loads(self.do(*words, "--json"))

  def guest(self, name):
    reply = self.ask("status", name)
    return reply.get("guest", reply)

  def guests(self):
    return {guest["name"]: guest for guest in self.ask("list")["guests"]}

  def windows(self):
    return {window["guest"]: window for window in self.ask("windows")["windows"]}

  def window(self, name):
    """The window's geometry: x, y, width, height."""
    window = self.windows()[name]
    return tuple(window[key] for key in ("x", "y", "width", "height"))

  def traps(self, name):
    return {trap["trap"]: trap for trap in self.ask("traps", name)["traps"]}

  # pictures

  def shot(self, guest=None, name=None):
    """Takes a picture of a guest or of the session; returns the file."""
    file = self.path(f"{name or guest or 'session'}.png")
    self.do("screenshot", *([guest] if guest else []), file)
    return file

  def picture(self, *words):
    """Runs the picture helper; returns whether it says yes, and what it prints."""
    done = subprocess.run([os.path.join(TESTS, "picture"), *map(str, words)],
      capture_output=True, text=True)
    check(done.returncode < 2, done.stderr.strip())
    return done.returncode == 0, done.stdout.strip()

  def expect_picture(self, *words):
    yes, why = self.picture(*words)
    check(yes, f"picture {' '.join(map(str, words))}: {why}")

  # input

  def input(self, *commands):
    """Has the virtual keyboard and pointer do one command after the other."""
    if self.input_process is None:
      environment = dict(self.environment, WAYLAND_DISPLAY=self.display())
      self.input_process = subprocess.Popen([os.path.join(TESTS, "virtual-input")],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    for command in commands:
      self.input_process.stdin.write(command + "\n")
      answer = self.input_process.stdout.readline()
      check(answer == "ok\n", f"virtual-input has ended at '{command}'")

  def touch(self, *commands):
    """Does one thing after the other with the devices of tests/mullion-machine."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hand:
      hand.bind("")
      hand.connect(os.path.join(self.runtime, "mullion", "input"))
      for command in commands:
        hand.send(command.encode())
        same(hand.recv(16), b"ok", f"the answer to '{command}'")

  def expect_keys(self, guest, seconds=20):
    """Waits until keys reach a guest, as they do not while its GPU process is replaced."""
    mark = self.mark(guest)

    def arrive():
      self.input(f"key {KEY_LEFTSHIFT}")
      return re.search(f"^key {KEY_LEFTSHIFT} 1$", self.serial(guest)[mark:], re.MULTILINE)
    wait_until(arrive, f"keys reach '{guest}'", seconds, 0.2)

  def display(self):
    """The compositor's public Wayland socket."""
    names = [name for name in os.listdir(self.runtime) if re.fullmatch(r"wayland-\d+", name)]
    check(len(names) == 1, f"Wayland sockets: {names}")
    return names[0]

  # guests

  def serial_file(self, guest):
    """Where its first serial port goes. QEMU cannot make the file in its sandbox."""
    path = self.path(f"{guest}.serial")
    open(path, "a").close()
    return path

  def serial(self, guest):
    """What a guest has written to its first serial port."""
    try:
      with open(self.path(f"{guest}.serial"), "rb") as file:
        return file.read().decode(errors="replace").replace("\r", "")
    except FileNotFoundError:
      return ""

  def mark(self, guest):
    """Remembers how far a guest has written, for expect_serial()."""
    return len(self.serial(guest))

  def expect_serial(self, guest, pattern, since=0, seconds=60):
    """Waits for a line of the guest that matches; returns the match."""
    return wait_until(lambda: re.search(pattern, self.serial(guest)[since:], re.MULTILINE),
      f"'{guest}' writes {pattern!r}", seconds)

  def expect_state(self, name, state, seconds=60):
    return wait_until(lambda: self.guest(name)["state"] == state, f"'{name}' is {state}", seconds)

  def tails(self):
    """The ends of all logs, for the report of a failure."""
    lines = []
    for name in sorted(os.listdir(self.folder)):
      if name.endswith((".log", ".serial")):
        with open(self.path(name), "rb") as file:
          text = file.read().decode(errors="replace")
        text = re.sub(r"[^\n -~]", "", text)
        lines += [f"-- {name}"] + text.splitlines()[-8:]
    return lines
