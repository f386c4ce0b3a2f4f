"""
In the guest: runs commands. A connection is a command: a line of JSON {argv, stdin} comes, a line of JSON
{returncode, stdout, stderr} goes.
"""

import json
import socketserver
import subprocess


class Command(socketserver.StreamRequestHandler):
    def handle(self):
        command = json.loads(self.rfile.readline())
        try:
            done = subprocess.run(command["argv"], input=command["stdin"], capture_output=True, text=True,
                errors="replace")
            answer = {"returncode": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
        except OSError as error:
            answer = {"returncode": 127, "stdout": "", "stderr": str(error)}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class Agent(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 16


if __name__ == "__main__":
    Agent(("169.254.0.2", 9999), Command).serve_forever()
