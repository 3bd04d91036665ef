"""Who looks at a guest's screen for bench-frames.py, and sees the boxes of `frames mark`, see
tests/guests/frames.c."""
import socket
import struct
import threading
import time

MARK_AT = (51, 41) # in a box, see mark.h
MARK_COLOUR = 0xa55a00


def read_boxes(path):
  """What hear-marks, watch-screen or dbus-screen has printed: ns, of each box."""
  with open(path) as file:
    lines = [line.split() for line in file if line.endswith("\n")]
  # The first one may have been there for a while.
  return {int(box): int(nsec) for box, nsec in lines[1:]}


class Vnc:
  """A client of RFB that asks for every change, raw, and looks at one pixel."""

  def __init__(self, path):
    self.boxes = {}
    self.last = None
    self.connection = socket.socket(socket.AF_UNIX)
    self.connection.connect(path)
    threading.Thread(target=self.run, daemon=True).start()

  def finish(self):
    self.connection.close()

  def run(self):
    try:
      self.begin()
      self.ask(0)
      while self.take_update():
        self.ask(1)
    except (EOFError, OSError):
      pass # QEMU has ended

  def begin(self):
    self.take(12)
    self.connection.sendall(b"RFB 003.008\n")
    self.take(self.take(1)[0])
    self.connection.sendall(b"\1")
    self.take(4)
    self.connection.sendall(b"\1")
    self.take(struct.unpack(">I", self.take(24)[20:])[0])
    self.connection.sendall(struct.pack(">BBHii", 2, 0, 2, 0, -223)) # raw, and another size

  def take(self, count):
    data = bytearray()
    while len(data) < count:
      part = self.connection.recv(min(count - len(data), 1 << 20))
      if not part:
        raise EOFError
      data += part
    return data

  def ask(self, incremental):
    self.connection.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, 4096, 4096))

  def take_update(self):
    kind, _, rectangles = struct.unpack(">BBH", self.take(4))
    if kind != 0:
      return False
    for _ in range(rectangles):
      left, top, width, height, encoding = struct.unpack(">HHHHi", self.take(12))
      if encoding == 0:
        self.look(self.take(width * height * 4), MARK_AT[0] - left, MARK_AT[1] - top, width, height)
    return True

  def look(self, pixels, x, y, width, height):
    if not (0 <= x < width and 0 <= y < height):
      return
    pixel = struct.unpack_from("<I", pixels, (y * width + x) * 4)[0] & 0xffffff
    if pixel & 0xffff00 == MARK_COLOUR and pixel != self.last:
      self.last = pixel
      self.boxes[pixel & 0xff] = time.monotonic_ns()
