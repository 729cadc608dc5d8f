package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// nginxConfig forwards over connections that stay, and logs nothing.
const nginxConfig = `daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log;
worker_processes auto;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  keepalive_requests 100000000;
  upstream back { server %[2]s; keepalive 64; keepalive_requests 100000000; }
  server {
    listen %[3]s;
    location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

// nginx runs nginx as a proxy of an address; an error that is os.ErrNotExist if it is not here.
func (r *rig) nginx(server string) (address string, stop func(), err error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; !isThere(program) {
			return "", nil, os.ErrNotExist
		}
	}
	dir := filepath.Join(r.dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	address = freeAddress()
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, server, address), 0o644); err != nil {
		return "", nil, err
	}
	stop, err = r.peer(address, exec.Command(program, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", config))
	return address, stop, err
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
