// Command testlog reads `go test -json` and prints what a person wants to know: a line per package, the
// whole output of what failed, and every skipped test with its reason. It exits 1 when something failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of `go test -json`, see `go doc test2json`.
type event struct {
	Action, Package, ImportPath, Test, Output string
	FailedBuild                               string
	Elapsed                                   float64
}

type key struct{ pkg, test string }

type report struct {
	out                   io.Writer
	output                map[key][]string
	builds                map[string][]string
	skipped               []string
	passed, failed, skips int
	broken                bool
}

func main() {
	r := &report{out: os.Stdout, output: map[key][]string{}, builds: map[string][]string{}}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testlog: read test events:", err)
		os.Exit(1)
	}
	r.close()
	if r.broken || r.failed > 0 || r.passed == 0 {
		os.Exit(1)
	}
}

func (r *report) read(in io.Reader) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var e event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			fmt.Fprintln(r.out, sc.Text())
			r.broken = r.broken || strings.HasPrefix(sc.Text(), "FAIL")
			continue
		}
		r.add(e)
	}
	return sc.Err()
}

func (r *report) add(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		r.output[k] = append(r.output[k], e.Output)
	case "build-output":
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
	case "pass", "skip", "fail":
		r.end(k, e)
		delete(r.output, k)
	}
}

func (r *report) end(k key, e event) {
	if k.test == "" {
		r.endPackage(k, e)
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skips++
		r.skipped = append(r.skipped, fmt.Sprintf("%s %s: %s", short(k.pkg), k.test, reason(r.output[k])))
	case "fail":
		r.failed++
		fmt.Fprintf(r.out, "%s", strings.Join(r.output[k], ""))
	}
}

func (r *report) endPackage(k key, e event) {
	if e.Action == "fail" {
		r.broken = true
		fmt.Fprint(r.out, strings.Join(r.builds[e.FailedBuild], ""), strings.Join(r.output[k], ""))
	}
	if e.Action == "skip" {
		return // no test files
	}
	mark := map[string]string{"pass": "ok  ", "fail": "FAIL"}[e.Action]
	fmt.Fprintf(r.out, "%s %-34s %6.1fs\n", mark, short(k.pkg), e.Elapsed)
}

func (r *report) close() {
	if len(r.skipped) > 0 {
		fmt.Fprintln(r.out, "\nskipped:")
	}
	for _, s := range r.skipped {
		fmt.Fprintln(r.out, "  "+s)
	}
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skips)
}

func short(pkg string) string {
	if s := strings.TrimPrefix(pkg, "msctl.dev/msctl/"); s != pkg {
		return s
	}
	return "."
}

// reason is the text that t.Skip printed: the line after "file.go:12: ".
func reason(lines []string) string {
	for _, l := range lines {
		if _, after, ok := strings.Cut(l, ".go:"); ok {
			_, text, _ := strings.Cut(after, ": ")
			return strings.TrimSpace(text)
		}
	}
	return "no reason given"
}
