package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHostile reads files that would blow up, and is done with each within seconds.
func TestHostile(t *testing.T) {
	bomb := "x0: &x0 [a, a, a, a, a, a, a, a, a]\n"
	for i := range 9 {
		n, m := string(rune('0'+i)), string(rune('1'+i))
		bomb += "x" + m + ": &x" + m + " [" + strings.TrimSuffix(strings.Repeat("*x"+n+", ", 9), ", ") + "]\n"
	}
	for name, text := range map[string]string{
		"nothing":         "",
		"no mapping":      "[]",
		"no services":     "name: x\n",
		"alias bomb":      bomb + "services: {a: {image: x}}\n",
		"own alias":       "services: &s\n  a: &a {<<: *a, image: x}\n",
		"aliases in turn": "a: &a {b: &b {c: *a}}\nservices: {a: {image: x}}\n",
		"deep":            "services: {a: {image: x, x-a: " + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}}\n",
		"large":           "# " + strings.Repeat("x", 2<<20),
		"control":         "services: {a: {image: \"x\\e[2J\", command: \"\\0\"}}\n",
		"odd names":       "services: {\"../../etc\": {image: x}}\n",
		"port":            "services: {a: {image: x, ports: [\"1-99999999:1-99999999\"]}}\n",
		"extends itself":  "services: {a: {extends: {file: compose.yaml, service: a}}}\n",
		"include itself":  "include: [compose.yaml]\nservices: {a: {image: x}}\n",
		"not YAML":        "services: [\n",
		"no names":        "services: {{},<<}\n",
		"device":          "services: {a: {image: x, env_file: /dev/zero}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "compose.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			done := make(chan string, 1)
			go func() {
				got, err := Import(t.Context(), ImportOptions{File: file})
				switch {
				case err != nil:
					done <- "error: " + err.Error()
				default:
					done <- string(got.Text)
				}
			}()
			select {
			case said := <-done:
				if strings.Contains(said, "../../etc") && !strings.HasPrefix(said, "error") {
					t.Errorf("it became\n%s", said)
				}
				t.Log(said[:min(len(said), 160)])
			case <-time.After(20 * time.Second):
				t.Fatal("it is still read after 20 s")
			}
		})
	}
}
