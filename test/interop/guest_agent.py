"""
In the guest: runs commands. A connection is a command: a line of JSON {argv, stdin} comes, a line of JSON
{returncode, stdout, stderr} goes.
"""

import json
import socketserver
import subprocess
import tempfile


class Command(socketserver.StreamRequestHandler):
    def handle(self):
        command = json.loads(self.rfile.readline())
        # Files, for a daemon that is left behind may keep what would be a pipe.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                status = subprocess.run(command["argv"], input=command["stdin"].encode(), stdout=out,
                    stderr=err).returncode
            except OSError as error:
                status = 127
                err.write(str(error).encode())
            answer = {"returncode": status}
            for name, file in (("stdout", out), ("stderr", err)):
                file.seek(0)
                answer[name] = file.read().decode(errors="replace")
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class Agent(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 16


if __name__ == "__main__":
    Agent(("169.254.0.2", 9999), Command).serve_forever()
