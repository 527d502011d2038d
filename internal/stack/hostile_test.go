package stack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// hostile are files that other tools hang on, crash on or believe (E1). They are made when they are
// needed, so that the memory of a load is not theirs.
func hostile() map[string]func() string {
	text := func(parts ...string) func() string { return func() string { return strings.Join(parts, "") } }
	times := func(before, part string, n int, after string) func() string {
		return func() string { return before + strings.Repeat(part, n) + after }
	}
	lines := func(before string, n int, format string) func() string {
		return func() string { return before + numbered(n, format) }
	}
	return map[string]func() string{
		"alias bomb":        bomb("[x, x, x, x, x, x, x, x, x]", "[%s]"),
		"merge key bomb":    bomb("{a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9}", "{<<: [%s]}"),
		"nested lists":      times("version: ", "[", 200_000, ""),
		"nested mappings":   times("version: ", "{a: ", 200_000, ""),
		"nested blocks":     times("version:\n", "- ", 200_000, ""),
		"nested 9000":       times("version: "+strings.Repeat("[", 9_000), "]", 9_000, ""),
		"10 MB":             lines("version: 1\n", 700_000, "k%d: a\n"),
		"10 MB on one line": times("version: ", "x", 10<<20, ""),
		"60k keys":          lines("version: 1\n", 60_000, "k%d: a\n"),
		"40k keys":          lines("version: 1\n", 40_000, "k%d: a\n"),
		"40k services":      lines("version: 1\nservices:\n", 30_000, "  k%d: {}\n"),
		"6k services":       lines("version: 1\nservices:\n", 6_000, "  k%d: {command: a}\n"),
		"flow values":       times("x: {", "a,", 99_000, "}"),
		"comments":          times("", "#\n", 49_000, ""),
		"deep comments":     times("a:\n", " # b\n", 49_000, ""),
		"one comment":       times("#", "#", 1<<20-10, ""),
		"spaces":            times("a:", " ", 1<<20-10, ""),
		"quotes":            times("a: \"", "\\n", 1<<19-10, "\""),
		"anchors":           lines("version: 1\na:\n", 24_000, "- &a%d b\n"),
		"tags":              times("%TAG ! tag:x,2000:\n--- ", "!", 1<<19, ""),
		"unknown names":     lines("version: 1\nservices:\n", 4_000, "  s%d: {command: a, after: [none, b]}\n"),
		"shared environment": lines("version: 1\nx-e: &e\n"+numbered(400, "  V%d: a\n")+"services:\n", 3_000,
			"  s%d: {command: a, after: [none], env: {<<: *e}}\n"),
		"references": times("version: 1\nservices:\n  a:\n    command: a\n    env:\n", "", 0, referring(15)),
		"regular expression": lines("version: 1\nservices:\n", 2_000,
			"  s%d: {command: a, health: {log: '((\\pL{20}){20}){20}'}}\n"),
		"NUL":             text("version: 1\nname: a\x00b\n"),
		"byte order mark": text("\ufeffversion: 1\n"),
		"UTF-16":          text("\xff\xfev\x00e\x00"),
		"not UTF-8":       text("version: 1\nname: \xc3\x28\n"),
		"escape":          text("version: 1\nservices:\n  \x1b[31mred: {command: a}\n"),
		"bidi":            text("version: 1\nname: \u202eabc\n"),
		"C1 control":      text("version: 1\nname: \u009babc\n"),
	}
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// bomb makes nine anchors, each nine times the one before.
func bomb(first, format string) func() string {
	return func() string {
		out := "version: 1\nx-a0: &a0 " + first + "\n"
		for i := range 9 {
			again := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", ")
			out += fmt.Sprintf("x-a%d: &a%d "+format+"\n", i+1, i+1, again)
		}
		return out
	}
}

// referring makes variables of as many references as fit, the last one unknown.
func referring(vars int) string {
	out := ""
	for i := range vars {
		out += fmt.Sprintf("      V%d: %s\n", i, strings.Repeat("${self.host}", 5_000))
	}
	return out + "      Z: ${nobody.url}\n"
}

// TestHostile loads each in a process of its own, to see its memory: an error with a place, at most
// 100 MB. Its time is printed; the deadline only ends a hang.
func TestHostile(t *testing.T) {
	if name := os.Getenv("STACK_TEST_HOSTILE"); name != "" {
		loadHostile(t, hostile()[name]())
		return
	}
	binary := plainBinary(t)
	for name := range hostile() {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(binary, "-test.run=^TestHostile$", "-test.v", "-test.timeout=20s")
			cmd.Env = append(os.Environ(), "STACK_TEST_HOSTILE="+name)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Log(strings.TrimSpace(string(out)))
			usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			if !ok || runtime.GOOS != "linux" {
				return
			}
			mb := usage.Maxrss >> 10
			t.Logf("%d MB", mb)
			if mb > 100 {
				t.Errorf("%d MB, want at most 100", mb)
			}
		})
	}
}

// TestGuardYAML checks that what the parser panics on is an error, and that what it takes is not.
func TestGuardYAML(t *testing.T) {
	for text, fine := range map[string]bool{"{{},<<}": false, "a: 1\n---\nb: 2\n": true} {
		var into map[string]any
		if err := GuardYAML(func() error { return yaml.Unmarshal([]byte(text), &into) }); (err == nil) != fine {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if doc, err := ParseYAML("a.yaml", []byte("{{},<<}")); doc == nil || err != nil {
		t.Errorf("got %v", err) // as a node it is what is written
	}
}

// plainBinary returns this test without the race detector, which multiplies time and memory.
func plainBinary(t *testing.T) string {
	t.Helper()
	if !raceDetector {
		return os.Args[0]
	}
	path := filepath.Join(t.TempDir(), "stack.test")
	if out, err := exec.Command("go", "test", "-race=false", "-c", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build test: %v\n%s", err, out)
	}
	return path
}

func loadHostile(t *testing.T, text string) {
	dir := write(t, map[string]string{FileName: text})
	text = ""
	begin := time.Now()
	_, err := Load(LoadOptions{Dir: dir, Kinds: kinds()})
	t.Logf("%v", time.Since(begin).Round(time.Millisecond))
	var all Errors
	if !errors.As(err, &all) {
		t.Fatalf("error is %v, want Errors", err)
	}
	if all[0].Pos.Line < 1 || all[0].Pos.Col < 1 || len(all) > maxErrors+1 {
		t.Errorf("%d mistakes, the first %v", len(all), all[0])
	}
	t.Logf("%d mistakes, the first: %.200v", len(all), all[0])
}
