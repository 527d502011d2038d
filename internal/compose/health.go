package compose

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"msctl.dev/msctl/internal/stack"
)

// localPort finds the port in a check of the container itself.
var localPort = regexp.MustCompile(`(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|-addr=|nc -z[vw0-9 ]* \S+)[: ](\d{2,5})\b`)

var localURL = regexp.MustCompile(`https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::\d+)?(?:/[^\s"'|;)]*)?`)

func healthTest(s types.ServiceConfig) []string {
	if s.HealthCheck == nil || s.HealthCheck.Disable {
		return nil
	}
	return s.HealthCheck.Test
}

// health is the health of a service as stack.yaml says it in brackets, or "".
func (im *importer) health(u *unit) string {
	test := healthTest(u.svc)
	if len(test) == 0 || test[0] == "NONE" || u.kind != nil {
		return ""
	}
	var parts []string
	line := strings.Join(test[1:], " ")
	switch {
	case localURL.MatchString(line) && (strings.Contains(line, "curl") || strings.Contains(line, "wget") || strings.Contains(line, "http.get") || strings.Contains(line, "urlopen") || strings.Contains(line, "fetch(")):
		parts = im.overHTTP(u, localURL.FindString(line))
	case strings.Contains(line, "grpc_health_probe") && u.listener(0, "grpc") != nil:
		parts = im.onPort(u, `grpc: "-"`, "grpc", line)
	case regexp.MustCompile(`\bnc\b.* -z|\bnc -z`).MatchString(line) && localPort.MatchString(line):
		n, _ := strconv.Atoi(localPort.FindStringSubmatch(line)[1])
		parts = []string{"tcp: " + u.listener(n, "").name}
	case test[0] == "CMD-SHELL":
		parts = []string{"exec: " + stack.Quote(test[1])}
	default:
		parts = []string{"exec: " + list(test[1:])}
	}
	if len(parts) == 0 || strings.Contains(strings.Join(parts, ""), "${") {
		im.leave(u, "healthcheck", "the check cannot be said in stack.yaml: %s", line)
		return ""
	}
	return "{" + strings.Join(append(parts, im.times(u)...), ", ") + "}"
}

func (im *importer) overHTTP(u *unit, text string) []string {
	at, err := url.Parse(text)
	if err != nil {
		return nil
	}
	path := at.RequestURI()
	return im.onPort(u, "http: "+stack.Quote(path), "http", at.Host)
}

// onPort adds the port where the stack would ask another one.
func (im *importer) onPort(u *unit, what, usual, where string) []string {
	n := 0
	if m := regexp.MustCompile(`:(\d+)`).FindStringSubmatch(where); m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	l := u.listener(n, usual)
	if l == nil {
		return nil
	}
	if l.name == usual || len(u.ports) == 1 {
		return []string{what}
	}
	return []string{what, "port: " + l.name}
}

// times are the parts of a check that say when.
func (im *importer) times(u *unit) []string {
	var out []string
	h := u.svc.HealthCheck
	say := func(key string, d *types.Duration) {
		if d == nil || time.Duration(*d) <= 0 {
			return
		}
		out = append(out, key+": "+min(time.Duration(*d), 24*time.Hour).String())
	}
	say("timeout", h.Timeout)
	say("interval", h.Interval)
	if h.Retries != nil && *h.Retries > 0 && *h.Retries <= 100 {
		out = append(out, "failures: "+strconv.FormatUint(*h.Retries, 10))
	}
	if h.StartPeriod != nil {
		wait := time.Duration(*h.StartPeriod)
		if h.Interval != nil && h.Retries != nil {
			wait += time.Duration(*h.Interval) * time.Duration(min(*h.Retries, 1000))
		}
		if wait > time.Minute {
			deadline := types.Duration(wait)
			say("deadline", &deadline)
		}
	}
	return out
}

// list writes words in brackets.
func list(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = stack.Quote(w)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// carried is every key of a service that import reads, or that says nothing to a process of this machine.
var carried = []string{"image", "build", "command", "entrypoint", "environment", "env_file", "depends_on", "ports", "expose", "healthcheck",
	"volumes", "profiles", "restart", "deploy", "scale", "stop_signal", "stop_grace_period", "mem_limit", "cpus", "links", "extends",
	"container_name", "hostname", "networks", "init", "tty", "stdin_open", "pull_policy", "platform", "attach", "logging", "working_dir", "<<"}

// leftovers lists the keys that nothing stands for.
func (im *importer) leftovers() {
	for _, u := range im.units {
		for _, key := range im.keys("services", u.from) {
			if !slices.Contains(carried, key) && !strings.HasPrefix(key, "x-") {
				im.leave(u, key, "%s has no counterpart", key)
			}
		}
		im.mounts(u)
		im.rest(u)
	}
	for _, key := range im.keys() {
		if (key == "secrets" || key == "configs" || key == "models" || key == "jobs") && len(im.keys(key)) > 0 {
			im.left = append(im.left, Left{im.shown, im.line(key), key + " have no counterpart"})
		}
	}
}

// keys returns the keys of a mapping of the file, with those that it merges.
func (im *importer) keys(path ...string) []string {
	at := im.root
	for _, p := range path {
		if at = value(at, p); at == nil {
			return nil
		}
	}
	var out []string
	for _, n := range mappings(at) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !slices.Contains(out, n.Content[i].Value) {
				out = append(out, n.Content[i].Value)
			}
		}
	}
	return out
}

// mounts lists the folders that a service would not have.
func (im *importer) mounts(u *unit) {
	for _, v := range u.svc.Volumes {
		switch {
		case u.kind != nil && v.Type == types.VolumeTypeVolume, u.box && v.Type == types.VolumeTypeVolume:
		case v.Type == types.VolumeTypeVolume && v.Source == "" && u.native != "": // hides a folder of a mount
		case u.native != "" && v.Type == types.VolumeTypeBind: // the code itself, or files that are there anyway
			if !u.holds(im, v.Source) {
				im.leave(u, "volumes", "%s is not at %s: the process sees this machine's files", im.relative(v.Source), v.Target)
			}
		case v.Type == types.VolumeTypeBind:
			im.leave(u, "volumes", "%s is not mounted at %s", im.relative(v.Source), v.Target)
		default:
			im.leave(u, "volumes", "there is no volume at %s", v.Target)
		}
	}
}

// holds reports a path inside a unit's own code.
func (u *unit) holds(im *importer, path string) bool {
	rel := im.relative(path)
	return rel == u.path || rel == u.dir || strings.HasPrefix(rel, u.path+"/") || u.path == "."
}

// rest lists what is done in another way.
func (im *importer) rest(u *unit) {
	s := u.svc
	if u.kind != nil {
		if len(s.Command)+len(s.Entrypoint) > 0 {
			im.leave(u, "command", "the server is not given the command %q", strings.Join(s.Command, " "))
		}
		if name, _ := splitImage(s.Image); !u.kind.keeps(s.Image) && !slices.Contains(u.kind.official, name) {
			im.leave(u, "image", "%s is run as msctl's own %s", s.Image, u.kind.name)
		}
		if len(s.EnvFiles) > 0 {
			im.leave(u, "env_file", "it is not read: msctl configures the server")
		}
		return
	}
	if s.WorkingDir != "" && u.native == "" {
		im.leave(u, "working_dir", "the image's own working folder is used")
	}
	if s.Deploy != nil && (s.Deploy.Resources.Reservations != nil || s.Deploy.Placement.Constraints != nil) {
		im.leave(u, "deploy", "reservations and placement have no counterpart")
	}
	for _, link := range s.Links {
		if _, alias, ok := strings.Cut(link, ":"); ok && im.byHost[alias] == nil {
			im.leave(u, "links", "the alias %s is not known", alias)
		}
	}
}
