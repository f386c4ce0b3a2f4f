#!/usr/bin/env python3
"""
symbols.py LIBRARY: the sans-IO library has no state of its own, no globals or statics that can
change (section .data, .bss or common), and calls nothing that does I/O, tells time or makes threads.
"""

import re
import sys

from lintlib import finish, text_of

# No system call wrappers, clocks, threads, random numbers, environment, or stdio that writes.
FORBIDDEN = re.compile(r"^(_*(socket|bind|connect|listen|accept4?|send|sendto|sendmsg|sendmmsg|recv|"
    r"recvfrom|recvmsg|recvmmsg|open(at)?(64)?|creat|read|write|readv|writev|close|ioctl|fcntl(64)?|"
    r"poll|select|epoll_\w+|fopen(64)?|fread|fwrite|fputs|puts|putchar|perror|v?f?printf(_chk)?|"
    r"time|gettimeofday|clock|clock_gettime|localtime(_r)?|gmtime(_r)?|nanosleep|usleep|sleep|"
    r"pthread_\w+|thrd_\w+|mtx_\w+|rand|srand|random|srandom|getrandom|arc4random\w*|"
    r"getenv|secure_getenv|system|popen|fork|exec\w+|getaddrinfo|gethostbyname|signal|sigaction|"
    r"exit|_exit|uv_\w+|randombytes\w*|prim_random))$")
# Exceptions, "object.o:symbol": prim_random is what daemon and cli put into struct env, through
# which alone the library gets its randomness.
ALLOWED = {"primitives.c.o:randombytes_buf", "primitives.c.o:randombytes_buf_deterministic"}
SANITIZER = re.compile(r"^(__odr_asan|__asan|__ubsan|__tsan|__lsan|\.L|_sub_[ID]_|__sancov)")

library = sys.argv[1]
findings, objects, member = [], 0, "?"
for line in text_of("objdump", "-t", library).splitlines():
    match = re.match(r"^(\S+\.o):\s+file format", line)
    if match:
        member, objects = match.group(1), objects + 1
        continue
    # value, flags (7 characters), section, TAB size, name
    match = re.match(r"^[0-9a-f]+ (.{7}) (\S+)\t[0-9a-f]+\s+(?:\.hidden )?(\S+)$", line)
    if not match:
        continue
    flags, section, name = match.groups()
    if SANITIZER.match(name) or "%s:%s" % (member, name) in ALLOWED:
        continue
    if section == "*UND*":
        if FORBIDDEN.match(name):
            findings.append("%s calls %s" % (member, name))
    elif section == "*COM*" or re.match(r"^\.(data|bss|tdata|tbss)(\.(?!rel\.ro)|$)", section):
        if "O" in flags or section == "*COM*":
            findings.append("%s: %s is mutable (%s)" % (member, name, section))
finish(findings, objects)
