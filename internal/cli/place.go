package cli

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

	"msctl.dev/msctl/internal/control"
)

// place is where one instance of a stack keeps its things.
type place struct {
	dir      string // folder of the first stack file
	instance string // "" is the one that `up` starts
	getenv   func(string) string
}

// place finds the stack of the working folder without reading it.
func (a *App) place() (place, error) {
	dir, err := a.stackDir()
	if err != nil {
		return place{}, err
	}
	p := place{dir: dir, instance: a.instance, getenv: a.Getenv}
	if p.instance == "" {
		p.instance = a.Getenv("MSCTL_INSTANCE")
	}
	if p.instance != "" && !validName(p.instance) {
		return place{}, usage("small letters, digits and -", "read --instance: %q is not a name", p.instance)
	}
	return p, nil
}

// id tells this stack and instance from every other one on the machine.
func (p place) id() string {
	sum := sha256.Sum256([]byte(p.dir + "\x00" + p.instance))
	return hex.EncodeToString(sum[:8])
}

// state is the folder of what is kept: logs, data, ports.
func (p place) state() string {
	if p.instance == "" {
		return filepath.Join(p.dir, ".msctl")
	}
	return filepath.Join(p.dir, ".msctl", "instances", p.instance)
}

func (p place) cache() string     { return filepath.Join(p.dir, ".msctl", "cache") }
func (p place) run() string       { return filepath.Join(p.state(), "run") }
func (p place) logs() string      { return filepath.Join(p.state(), "logs") }
func (p place) telemetry() string { return filepath.Join(p.state(), "telemetry") }
func (p place) log() string       { return filepath.Join(p.state(), "msctl.log") }
func (p place) lock() string      { return filepath.Join(p.state(), "up.lock") }

// socket returns where the fleet answers: where the holder of the lock said, else the usual place.
func (p place) socket() string {
	if h, ok := readHolder(p.lock()); ok && h.Socket != "" {
		return h.Socket
	}
	return p.newSocket()
}

func (p place) newSocket() string {
	return control.SocketPath(p.getenv("XDG_RUNTIME_DIR"), p.id())
}

// prepare makes the state folder, which only this user can enter.
func (p place) prepare() error {
	return os.MkdirAll(p.state(), 0o700)
}

// holder is what the supervisor writes into the lock file.
type holder struct {
	PID    int    `json:"pid"`
	Socket string `json:"socket"`
}

func readHolder(path string) (holder, bool) {
	data, err := os.ReadFile(path)
	var h holder
	return h, err == nil && json.Unmarshal(data, &h) == nil
}

// connect reaches the running fleet of this place.
func (p place) connect(ctx context.Context) (*control.Client, error) {
	c, err := control.Dial(ctx, p.socket())
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, control.ErrNotRunning):
		if err := p.known(); err != nil {
			return nil, err
		}
		return nil, notRunning(p.elsewhere(), "%s is %w", p, control.ErrNotRunning)
	case errors.Is(err, control.ErrNotAnswering):
		return nil, notRunning("`msctl down --force` ends it and all that it runs", "%w", err)
	case errors.Is(err, control.ErrProtocol):
		return nil, failed("take it down with the msctl that started it, or `msctl down --force`", "%w", err)
	}
	return nil, err
}

// String names the stack for messages.
func (p place) String() string {
	if p.instance == "" {
		return "the stack in " + p.dir
	}
	return "copy " + p.instance + " of the stack in " + p.dir
}

// elsewhere says what does run where the fleet itself does not: what a killed supervisor left, or copies.
func (p place) elsewhere() string {
	if n := leftOver(p.id()); n > 0 {
		return fmt.Sprintf("%d processes run without their msctl: `msctl up` takes them over, `msctl down` ends them", n)
	}
	if copies := p.copies(); len(copies) > 0 {
		return fmt.Sprintf("running: --instance %s", strings.Join(copies, ", --instance "))
	}
	return "`msctl up` starts it"
}

// copies returns the instances of the same stack of which something runs.
func (p place) copies() []string {
	found, _ := os.ReadDir(filepath.Join(p.dir, ".msctl", "instances"))
	var names []string
	for _, f := range found {
		other := place{dir: p.dir, instance: f.Name(), getenv: p.getenv}
		if other.instance != p.instance && leftOver(other.id()) > 0 {
			names = append(names, other.instance)
		}
	}
	return names
}

// known refuses a copy that never was; its error still says that nothing runs.
func (p place) known() error {
	if p.instance == "" || !missing(p.state()) {
		return nil
	}
	hint := "no copy runs; `msctl up --isolated` starts one"
	if copies := p.copies(); len(copies) > 0 {
		hint = "running: --instance " + strings.Join(copies, ", --instance ")
	}
	return notRunning(hint, "there is no copy %s of the stack in %s: it is %w", p.instance, p.dir, control.ErrNotRunning)
}

// missing reports a file or folder that is not there.
func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
