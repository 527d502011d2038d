package scaffold_test

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"msctl.dev/msctl"
	"msctl.dev/msctl/scaffold"
)

// must is what the code of a service has to have, by language: timeouts, limits, and a stop that drains.
var must = map[string][]string{
	"go":     {"ReadHeaderTimeout", "ReadTimeout", "WriteTimeout", "IdleTimeout", "MaxHeaderBytes", "http.MaxBytesReader", "syscall.SIGTERM", ".Shutdown(", "app.HTTP("},
	"node":   {"headersTimeout", "requestTimeout", "keepAliveTimeout", "maxHeaderSize", "maxBody", "'SIGTERM'", "server.close("},
	"python": {"HEADER_FOR", "REQUEST_FOR", "keepalive_timeout", "max_field_size", "client_max_size", "signal.SIGTERM", "shutdown_timeout"},
}

var (
	imageForm  = regexp.MustCompile(`(?m)^ARG (?:BUILD_|RUN_)?IMAGE=(\S+)$`)
	exactImage = regexp.MustCompile(`^(golang:\d+\.\d+\.\d+|node:\d+\.\d+\.\d+-slim|python:\d+\.\d+\.\d+-slim|gcr\.io/distroless/static-debian12:nonroot)$`)
	secretForm = regexp.MustCompile(`(?i)(password|passwd|secret|token|api_?key)["']?\s*[:=]\s*["'][^"'$<{%]{6,}["']|-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|://[^/\s:@]+:[^/\s:@${]+@`)
	audits     = map[string]string{"go": "govulncheck", "node": "npm audit", "python": "pip-audit"}
)

// TestChecklist is L3, for what is rendered of every template: timeouts, limits, a stop that drains, images
// that do not run as root and have exact tags, no secret, everything that is needed locked, and an audit in
// the CI job. What it says is true is attacked in TestFleet.
func TestChecklist(t *testing.T) {
	kit, err := scaffold.Kit(msctl.Files, "example.com/shop", "services/kit")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range templates(t) {
		tpl := load(t, name)
		if tpl.Service.Health == nil { // it is no service
			continue
		}
		out := render(t, name, scaffold.Values{Service: "billing", Calls: calls, Uses: []scaffold.Use{database, broker, cache}})
		code := ""
		if tpl.Kit {
			code = textOf(kit)
		}
		code += textOf(out)
		for _, word := range must[tpl.Language] {
			if !strings.Contains(code, word) {
				t.Errorf("%s: nothing has %s", name, word)
			}
		}
		for _, o := range out {
			if found := secretForm.Find(o.Data); found != nil && !strings.Contains(o.Path, "test") {
				t.Errorf("%s: %s has what looks like a secret: %s", name, o.Path, found)
			}
			checkFile(t, name, tpl.Language, o)
		}
	}
}

// textOf is all code in one, without tests.
func textOf(out []scaffold.Output) string {
	var b strings.Builder
	for _, o := range out {
		if !strings.Contains(path.Base(o.Path), "test") && slices.Contains([]string{".go", ".js", ".py"}, path.Ext(o.Path)) {
			b.Write(o.Data)
		}
	}
	return b.String()
}

func checkFile(t *testing.T, name, language string, o scaffold.Output) {
	t.Helper()
	text := string(o.Data)
	switch path.Base(o.Path) {
	case "Dockerfile":
		users := regexp.MustCompile(`(?m)^USER (\S+)$`).FindAllStringSubmatch(text, -1)
		if len(users) == 0 || slices.Contains([]string{"root", "0"}, users[len(users)-1][1]) || strings.LastIndex(text, "\nFROM ") > strings.LastIndex(text, "\nUSER ") {
			t.Errorf("%s: the image runs as root", name)
		}
		images := imageForm.FindAllStringSubmatch(text, -1)
		for _, image := range images {
			if !exactImage.MatchString(image[1]) {
				t.Errorf("%s: %s is no exact tag", name, image[1])
			}
		}
		if len(images) == 0 || strings.Contains(strings.ReplaceAll(text, "FROM ${", ""), "\nFROM ") {
			t.Errorf("%s: an image is no argument of the build:\n%s", name, text)
		}
	case "billing.yml":
		if !strings.Contains(text, audits[language]) || !strings.Contains(text, "permissions:\n  contents: read") {
			t.Errorf("%s: the CI job does not run %s, or may do more than read", name, audits[language])
		}
	case "package-lock.json":
		var lock struct {
			Packages map[string]struct{ Version, Integrity string }
		}
		if err := json.Unmarshal(o.Data, &lock); err != nil {
			t.Fatal(err)
		}
		for p, of := range lock.Packages {
			if p != "" && (of.Version == "" || !strings.HasPrefix(of.Integrity, "sha512-")) {
				t.Errorf("%s: %s is not locked", name, p)
			}
		}
	case "requirements.txt", "requirements-dev.txt":
		for _, one := range strings.Split(strings.ReplaceAll(text, "\\\n", ""), "\n") {
			if one != "" && !strings.HasPrefix(one, "#") && !strings.HasPrefix(one, "-r ") && (!strings.Contains(one, "==") || !strings.Contains(one, "--hash=sha256:")) {
				t.Errorf("%s: %.60s is not locked", name, one)
			}
		}
	}
}
