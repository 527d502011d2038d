package resource

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Machine is what this machine can run, found once by [Prober.Probe]. Tests write it by hand.
type Machine struct {
	Engine   error                    // why no container engine can be used; nil: one answers
	Programs map[string]string        // absolute path of each installed server program
	Prefix   string                   // put before the name of every image; see [Machine.Image]
	Images   map[string]bool          // with a Prefix: the recipes' images that the engine holds
	Fetch    func(image string) error // why an image is neither here nor to be had; unset: every image is
	Manager  string                   // package manager to speak of: "apt-get", "brew", "dnf", "apk" or ""
	Path     string                   // search path of the native servers
	User     string                   // unprivileged user that native servers run as; "" is the one who runs msctl
}

// Prober finds out what this machine can run.
type Prober struct {
	Engine   func(context.Context) error         // nil answer: an engine works; unset: there is none
	HasImage func(context.Context, string) bool  // unset: no image is there
	Fetch    func(context.Context, string) error // asks an image's registry for it; unset: every image can be had
	Getenv   func(string) string                 // unset: nothing is set
}

// Probe looks at the machine. It takes some milliseconds, most of them for the engine's answer.
func (p Prober) Probe(ctx context.Context) Machine {
	getenv := p.Getenv
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	m := Machine{Programs: map[string]string{}, Path: getenv("PATH"), Prefix: getenv("MSCTL_IMAGE_PREFIX")}
	if m.Path == "" {
		m.Path = defaultPath
	}
	if os.Geteuid() == 0 {
		m.User = "nobody"
	}
	for _, manager := range []string{"apt-get", "dnf", "apk", "pacman", "brew"} {
		if _, err := exec.LookPath(manager); err == nil {
			m.Manager = manager
			break
		}
	}
	for _, name := range programs() {
		if path := findProgram(name, m.Path); path != "" {
			m.Programs[name] = path
		}
	}
	m.Engine = errNoEngine
	if p.Engine != nil {
		m.Engine = p.Engine(ctx)
	}
	if m.Engine == nil && m.Prefix != "" && p.HasImage != nil {
		m.Images = heldImages(ctx, m, p.HasImage)
	}
	if m.Engine == nil && p.HasImage != nil && p.Fetch != nil {
		m.Fetch = p.fetcher(ctx)
	}
	return m
}

// fetcher asks a registry that did not answer once, so that a machine off the network waits for one answer
// and not for one per image.
func (p Prober) fetcher(ctx context.Context) func(string) error {
	silent := map[string]error{}
	return func(image string) error {
		if p.HasImage(ctx, image) {
			return nil
		}
		err := silent[registry(image)]
		if err == nil {
			err = p.Fetch(ctx, image)
		}
		if err == nil {
			return nil
		}
		silent[registry(image)] = err
		return fmt.Errorf("image %s is not here and cannot be had: %w", image, err)
	}
}

// registry returns the host part of an image's name, "" for the engine's default one.
func registry(image string) string {
	host, _, ok := strings.Cut(image, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return ""
	}
	return host
}

// Image returns the name under which this machine is to run an image: the prefix and the last part of
// the name, so that "local/" gives "local/postgres:17" for "docker.io/library/postgres:17".
func (m Machine) Image(name string) string {
	if m.Prefix == "" || strings.HasPrefix(name, m.Prefix) {
		return name
	}
	return m.Prefix + name[strings.LastIndex(name, "/")+1:]
}

// pick returns which of a recipe's images to run: the default, so that all of a team run the same. Under
// a prefix, which seldom holds every tag, it is the first that is there, prefixed or else by itself.
func (m Machine) pick(images []string) string {
	for _, name := range images {
		if full := m.Image(name); m.Images[full] {
			return full
		}
	}
	for _, name := range images {
		if m.Images[name] {
			return name
		}
	}
	if len(images) == 0 {
		return ""
	}
	return m.Image(images[0])
}

// programs is every program that a recipe needs, without doubles.
func programs() []string {
	var all []string
	for _, k := range Kinds {
		for _, r := range k.Recipes {
			all = append(all, r.Programs...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func heldImages(ctx context.Context, m Machine, has func(context.Context, string) bool) map[string]bool {
	held := map[string]bool{}
	for _, k := range Kinds {
		for _, r := range k.Recipes {
			for _, name := range r.Images {
				held[m.Image(name)] = has(ctx, m.Image(name))
				held[name] = has(ctx, name)
			}
		}
	}
	return held
}

// usual is where servers are put that are not meant for everybody's PATH. RabbitMQ's own folder comes
// before PATH: what Debian puts on PATH is a wrapper that changes the user.
var usual = []string{
	"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/*/bin", "/opt/homebrew/opt/*/sbin",
	"/opt/homebrew/sbin", "/opt/homebrew/bin", "/usr/local/opt/*/bin", "/usr/local/opt/*/sbin", "/usr/sbin",
	"/usr/local/sbin", "/usr/libexec", "/usr/lib/erlang/bin", "/usr/lib/erlang/erts-*/bin", "/usr/local/lib/erlang/bin",
}

// findProgram returns the absolute path of an installed program, or "". Of several versions in the
// usual places it takes the newest.
func findProgram(name, path string) string {
	folders := filepath.SplitList(path)
	if name == "rabbitmq-server" || name == "rabbitmqctl" {
		folders = append([]string{"/usr/lib/rabbitmq/bin"}, folders...)
	}
	for _, folder := range append(folders, usual...) {
		found, _ := filepath.Glob(filepath.Join(folder, name))
		slices.SortFunc(found, byVersion)
		for _, file := range slices.Backward(found) {
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return file
			}
		}
	}
	return ""
}

// byVersion orders paths so that postgresql/9 comes before postgresql/15: a longer number is newer.
func byVersion(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
