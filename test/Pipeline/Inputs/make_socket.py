"""usage: make_socket.py PATH: makes a file that exists and that nobody can read."""
import os
import socket
import sys

folder, name = os.path.split(sys.argv[1])
os.chdir(folder or ".")
socket.socket(socket.AF_UNIX).bind(name)
