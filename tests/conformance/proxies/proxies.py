"""nginx and HAProxy as they come, but for a shorter patience; each with a port of its own for each upstream."""

import os
import re
import socket
import subprocess
import time

NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    proxy_http_version 1.1; proxy_connect_timeout 1s; proxy_read_timeout 1s; proxy_send_timeout 1s;
    resolver 127.0.0.1:{names};
    {servers}
}}
"""
# Of one upstream alone nginx asks once. Named thrice it is asked by the rules for the next one.
NGINX_SERVER = """
    upstream u{at} {{ {peers} }}
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://u{at}; }} }}
"""
NGINX_NAME = """
    server {{ listen 127.0.0.1:{port}; location / {{ set $name nowhere.invalid; proxy_pass http://$name; }} }}
"""

HAPROXY = """
global
    log stdout format raw local0 emerg
defaults
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 1s
    retries 2
resolvers names
    nameserver here 127.0.0.1:{names}
    resolve_retries 1
    timeout resolve 200ms
    timeout retry 200ms
{servers}
"""
HAPROXY_SERVER = """
listen s{at}
    bind 127.0.0.1:{port}
    server it {address}
"""


NGINX_COMMAND, HAPROXY_COMMAND = os.environ.get("NGINX", "nginx"), os.environ.get("HAPROXY", "haproxy")


def versions():
    """Of each proxy, as a list of numbers."""
    found = {}
    for proxy, command in [("nginx", NGINX_COMMAND), ("haproxy", HAPROXY_COMMAND)]:
        shown = subprocess.run([command, "-v"], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found[proxy] = numbers(re.search(r"[/ ](\d+(\.\d+)+)", shown.stdout)[1])
    return found


def numbers(version):
    return [int(number) for number in version.split(".")]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def nginx(folder, upstreams, names):
    def server(at, port, upstream):
        if upstream.fault == "no such name":
            return NGINX_NAME.format(port=port)
        return NGINX_SERVER.format(at=at, port=port, peers=f"server 127.0.0.1:{upstream.port} max_fails=0;" * 3)

    ports, servers = _servers(upstreams, server)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, names=names.port, servers=servers))
    return ports, [str] * len(ports), _start(ports, [NGINX_COMMAND, "-c", folder / "nginx.conf"])


def haproxy(folder, upstreams, names):
    def server(at, port, upstream):
        known = f"127.0.0.1:{upstream.port}"
        unknown = "nowhere.invalid:80 resolvers names init-addr none"
        return HAPROXY_SERVER.format(at=at, port=port, address=unknown if upstream.fault == "no such name" else known)

    ports, servers = _servers(upstreams, server)
    (folder / "haproxy.cfg").write_text(HAPROXY.format(names=names.port, servers=servers))
    return ports, [str] * len(ports), _start(ports, [HAPROXY_COMMAND, "-q", "-db", "-f", folder / "haproxy.cfg"])


def _servers(upstreams, server):
    ports = free_ports(len(upstreams))
    return ports, "".join(server(at, port, upstream) for at, (port, upstream) in enumerate(zip(ports, upstreams, strict=True)))


def _start(ports, command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", ports[-1])) == 0:
                return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"{command[0]} does not listen")
