package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/client"
)

// pingTimeout bounds one question to an engine: a socket whose owner hangs counts as no engine.
const pingTimeout = 5 * time.Second

// Ping returns nil when a container engine answers, or says in one line why none can be used.
func Ping(ctx context.Context) error {
	cli, _, err := dial(ctx, "")
	if err != nil {
		return err
	}
	return cli.Close()
}

// Engine says which engine is used: "Docker Engine - Community 28.5.2 at /var/run/docker.sock".
func Engine(ctx context.Context) (string, error) {
	cli, host, err := dial(ctx, "")
	if err != nil {
		return "", err
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	v, err := cli.ServerVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("ask container engine for its version: %s", oneLine(err))
	}
	name := v.Platform.Name
	if name == "" {
		name = "Docker"
	}
	if !strings.Contains(name, v.Version) {
		name += " " + v.Version
	}
	return name + " at " + strings.TrimPrefix(host, "unix://"), nil
}

// dial connects to host, or to the first engine that answers where host is "", and returns its address.
func dial(ctx context.Context, host string) (*client.Client, string, error) {
	if host != "" {
		cli, err := try(ctx, host)
		return cli, host, err
	}
	if said := saidHost(os.Getenv); said != "" {
		cli, err := try(ctx, said)
		return cli, said, err
	}
	var first error
	for _, sock := range sockets(os.Getenv) {
		if _, err := os.Stat(sock); err != nil {
			continue
		}
		cli, err := try(ctx, "unix://"+sock)
		if err == nil {
			return cli, "unix://" + sock, nil
		}
		if first == nil {
			first = err
		}
	}
	if first != nil {
		return nil, "", first
	}
	return nil, "", errors.New("find container engine: no Docker, Podman or Colima socket on this machine")
}

// try asks the engine at host for its version.
func try(ctx context.Context, host string) (*client.Client, error) {
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("use container engine %s: %v", host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := ping(ctx, cli); err != nil {
		cli.Close()
		return nil, err
	}
	return cli, nil
}

// ping asks once and turns the answer into one line that says what to do.
func ping(ctx context.Context, cli *client.Client) error {
	_, err := cli.Ping(ctx)
	if err == nil {
		return nil
	}
	host := strings.TrimPrefix(cli.DaemonHost(), "unix://")
	why := oneLine(err)
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EACCES), strings.Contains(why, "permission denied"):
		why = "no permission; join its group (docker) or run as its owner"
	case errors.Is(err, fs.ErrNotExist), strings.Contains(why, "no such file"):
		why = "no such socket"
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(why, "connection refused"):
		why = "nothing answers; is the engine started?"
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		why = fmt.Sprintf("no answer within %v", pingTimeout)
	case client.IsErrConnectionFailed(err):
		why = deeperCause(host)
	}
	return fmt.Errorf("reach container engine at %s: %s", host, why)
}

// deeperCause looks at a socket itself, where the client says no more than that it could not connect.
func deeperCause(sock string) string {
	f, err := os.OpenFile(sock, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "no permission; join its group (docker) or run as its owner"
	case errors.Is(err, fs.ErrNotExist):
		return "no such socket"
	case err == nil:
		f.Close()
	}
	return "nothing answers; is the engine started?"
}

// saidHost returns the engine that the environment or the Docker command line's context names, or "".
func saidHost(getenv func(string) string) string {
	if h := getenv(client.EnvOverrideHost); h != "" {
		return h
	}
	dir := getenv("DOCKER_CONFIG")
	if dir == "" {
		dir = filepath.Join(getenv("HOME"), ".docker")
	}
	name := getenv("DOCKER_CONTEXT")
	if name == "" {
		name = currentContext(dir)
	}
	if name == "" || name == "default" {
		return ""
	}
	return contextHost(dir, name)
}

func currentContext(dir string) string {
	var conf struct{ CurrentContext string }
	if readJSON(filepath.Join(dir, "config.json"), &conf) != nil {
		return ""
	}
	return conf.CurrentContext
}

// contextHost reads the address that `docker context create` stored.
func contextHost(dir, name string) string {
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	sum := sha256.Sum256([]byte(name))
	if readJSON(filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"), &meta) != nil {
		return ""
	}
	return meta.Endpoints["docker"].Host
}

func readJSON(file string, to any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

// sockets lists where engines listen that no variable names: Docker, rootless Docker, Docker Desktop,
// Colima, OrbStack, Rancher Desktop, Podman.
func sockets(getenv func(string) string) []string {
	home, run := getenv("HOME"), getenv("XDG_RUNTIME_DIR")
	list := []string{"/var/run/docker.sock"}
	if run != "" {
		list = append(list, run+"/docker.sock")
	}
	if home != "" {
		for _, s := range []string{"/.docker/run/docker.sock", "/.docker/desktop/docker.sock", "/.colima/default/docker.sock",
			"/.colima/docker.sock", "/.orbstack/run/docker.sock", "/.rd/docker.sock"} {
			list = append(list, home+s)
		}
	}
	if run != "" {
		list = append(list, run+"/podman/podman.sock")
	}
	return append(list, "/run/podman/podman.sock")
}

// oneLine is the first line of an error, without the words that each engine error starts with.
func oneLine(err error) string {
	s, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return strings.TrimPrefix(s, "Error response from daemon: ")
}
