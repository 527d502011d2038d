package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// floodLines of eight kilobytes are more than a unit's log keeps.
const floodLines = 10_000

// fakeFlood prints as fast as it can once a file named go is there, and then writes into the file how long the
// longest line took.
func fakeFlood(report string) int {
	fmt.Println("waiting")
	for missing("go") {
		time.Sleep(time.Millisecond)
	}
	line := strings.Repeat("x", 8000)
	var longest time.Duration
	for i := range floodLines {
		begun := time.Now()
		fmt.Printf("line %d %s\n", i+1, line)
		longest = max(longest, time.Since(begun))
	}
	if err := os.WriteFile(report+".new", []byte(longest.String()), 0o600); err != nil {
		return 1
	}
	os.Rename(report+".new", report)
	return fakeStubborn("pid")
}

// TestStoppedReader is D3: a service that prints more than its log keeps is not held up by a `logs -f` that
// does not run meanwhile, and what that one has missed is counted and shown.
func TestStoppedReader(t *testing.T) {
	x := newTerminal(t, "version: 1\nname: flood\ntelemetry: off\nservices:\n  web: {command: [fake, flood, report], health: {log: waiting}, stop: {grace: 100ms}}\n")
	if err := keeperBeside(x.bin); err != nil {
		t.Fatal(err)
	}
	if out, err := x.command("up", "-d").CombinedOutput(); err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	logs := x.command("logs", "-f", "web")
	out, err := logs.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := logs.Start(); err != nil {
		t.Fatal(err)
	}
	defer logs.Wait()
	defer logs.Process.Kill()
	lines := bufio.NewReader(out)
	if first, err := lines.ReadString('\n'); !strings.Contains(first, "waiting") {
		t.Fatalf("read %q, %v", first, err)
	}
	logs.Process.Signal(syscall.SIGSTOP)
	if err := os.WriteFile(filepath.Join(x.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(x.dir, "report")
	for deadline := time.Now().Add(3 * time.Minute); missing(report); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the service does not get through: it waits for who reads its log")
		}
	}
	longest, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	logs.Process.Signal(syscall.SIGCONT)
	shown, dropped := readFlood(t, lines)
	t.Logf("D3: the longest line took %s; %d lines shown, %d dropped", longest, shown, dropped)
	if dropped == 0 || shown+dropped != floodLines+1 { // with the first
		t.Errorf("%d lines shown and %d said to be dropped of %d", shown, dropped, floodLines)
	}
}

var missed = regexp.MustCompile(`(\d+) lines are missing here`)

// readFlood reads to the last line, and counts those shown, the first one included, and those said to be missing.
func readFlood(t *testing.T, from *bufio.Reader) (shown, dropped int) {
	shown = 1
	for {
		line, err := from.ReadString('\n')
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if m := missed.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			dropped += n
			continue
		}
		if err == io.EOF {
			t.Errorf("it ends after %d lines", shown)
			return shown, dropped
		}
		shown++
		if strings.Contains(line, fmt.Sprintf("line %d x", floodLines)) {
			return shown, dropped
		}
	}
}
