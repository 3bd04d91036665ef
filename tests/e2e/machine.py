"""A machine under TCG whose root is the one that the tests run in, over 9p with a layer in
memory; what runs in it is a script beside this file that obeys line by line."""
import json
import os
import socket
import subprocess
import tempfile

from session import HERE, TESTS
from tap import check, same, wait_until


def connect(path):
  connection = socket.socket(socket.AF_UNIX)
  connection.settimeout(60)
  connection.connect(path)
  return connection.makefile("rwb", buffering=0)


class Machine:
  def __init__(self, script, *options):
    self.folder = tempfile.mkdtemp(prefix="mullion-machine-", dir="/tmp")
    make = os.path.join(HERE, "..", "guests", "make")
    kernel, initrd = subprocess.run([make, "trixie", os.path.join(TESTS, "guests"), "root"],
      check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    script = os.path.abspath(os.path.join(HERE, script))
    self.process = subprocess.Popen(["qemu-system-x86_64", "-M", "q35",
      "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none",
      "-vga", "none", *options,
      "-virtfs", "local,path=/,mount_tag=root,security_model=passthrough,readonly=on,multidevs=remap",
      "-kernel", kernel, "-initrd", initrd,
      "-append", f"console=tty0 quiet mullion.script={script}",
      "-chardev", f"socket,id=serial,path={self.path('serial')},server=on,wait=off",
      "-serial", "chardev:serial", "-qmp", f"unix:{self.path('qmp')},server=on,wait=off"],
      stdin=subprocess.DEVNULL)
    self.serial = self.qmp = None

  def path(self, name):
    return os.path.join(self.folder, name)

  def boot(self):
    wait_until(lambda: os.path.exists(self.path("qmp")), "QEMU", 10)
    self.serial, self.qmp = connect(self.path("serial")), connect(self.path("qmp"))
    self.qmp.readline()
    self.command("qmp_capabilities")
    same(self.answer()[0], 0, "status")

  def answer(self):
    lines = []
    while True:
      line = self.serial.readline().decode(errors="replace")
      check(line, "the machine has gone")
      if line.startswith("status "):
        return int(line.split()[1]), "".join(lines)
      lines.append(line)

  def run(self, command):
    """Runs a line of shell in the machine; returns its status and output."""
    self.serial.write(command.encode() + b"\n")
    return self.answer()

  def do(self, command):
    status, output = self.run(command)
    check(status == 0, f"{command}: status {status}: {output.strip()}")
    return output

  def command(self, name, **arguments):
    self.qmp.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
    while True:
      reply = json.loads(self.qmp.readline())
      if "return" in reply or "error" in reply:
        check("return" in reply, f"{name}: {reply}")
        return reply["return"]

  def tails(self):
    """The end of its log, for the report of a failure. log: the command that prints it."""
    try:
      return self.run(self.log)[1].splitlines()
    except (AssertionError, OSError, AttributeError):
      return [] # it has gone, or never came

  def finish(self):
    self.process.kill()
    self.process.wait()
    keep = os.environ.get("MULLION_TEST_KEEP")
    if not keep:
      subprocess.run(["rm", "-rf", self.folder], check=False)
