package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// mistakes wait behind flags in the reference fleet, each with the number of faults that show it.
var mistakes = []struct {
	flag   string
	faults int
}{{"orders.release-once", 2}, {"payments.charge-anew", 1}, {"orders.sent-early", 1}}

// Bounds of a search.
const (
	mostRuns = 200
	mostTime = 2 * time.Minute
)

// searches has explore look for each mistake on all edges of the reference fleet, with embedded servers.
func searches(ctx context.Context, msctl string) (rows []row, err error) {
	for _, m := range mistakes {
		found, err := search(ctx, msctl, m.flag)
		if err != nil {
			return nil, fmt.Errorf("search %s: %w", m.flag, err)
		}
		got := fmt.Sprintf("%d runs, %.0f s", found.runs, found.took.Seconds())
		if found.faults != m.faults {
			got = fmt.Sprintf("%d faults after %s", found.faults, got)
		}
		rows = append(rows, row{fmt.Sprintf("explore finds %s (faults: %d)", m.flag, m.faults), got,
			fmt.Sprintf("%d runs, %.0f s", mostRuns, mostTime.Seconds()), found.faults == m.faults && found.runs <= mostRuns && found.took <= mostTime})
	}
	return rows, nil
}

// found is how a search ended: with a smallest set of so many faults, 0 none.
type found struct {
	faults, runs int
	took         time.Duration
}

// search brings up a fleet of its own that has a mistake, and searches it.
func search(ctx context.Context, msctl, flag string) (f found, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	override, err := mistaken(dir, flag)
	if err != nil {
		return f, err
	}
	run := func(ctx context.Context, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, msctl, append([]string{"--instance", filepath.Base(dir)}, args...)...)
		cmd.Env = append(os.Environ(), "MSCTL_FILE=stack.yaml"+string(filepath.ListSeparator)+override)
		return cmd.Output()
	}
	defer func() {
		_, downErr := run(context.WithoutCancel(ctx), "down", "-v")
		err = errors.Join(err, downErr)
	}()
	if _, err := run(ctx, "up", "-d", "--wait", "--runtime", "embedded"); err != nil {
		return f, fmt.Errorf("bring the fleet up: %w", err)
	}
	begin := time.Now()
	out, err := run(ctx, "chaos", "explore", "--json", "--output", filepath.Join(dir, "found.yaml"), "--state", filepath.Join(dir, "state.json"))
	f.took = time.Since(begin)
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return f, fmt.Errorf("explore: %w", err)
	}
	var said struct {
		Counts struct{ Runs int }
		Found  []struct{ Set []any }
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&said); err != nil {
		return f, fmt.Errorf("read what explore found: %w", err)
	}
	if f.runs = said.Counts.Runs; len(said.Found) > 0 {
		f.faults = len(said.Found[0].Set)
	}
	return f, nil
}

// mistaken writes the file of a stack that lays flags of its own over those of the services that have mistakes.
func mistaken(dir, flag string) (override string, err error) {
	flags, override := filepath.Join(dir, "flags.json"), filepath.Join(dir, "flags.yaml")
	text := fmt.Sprintf(`{"flags": {%q: {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}}`, flag)
	if err := os.WriteFile(flags, []byte(text), 0o600); err != nil {
		return "", err
	}
	service, _, _ := strings.Cut(flag, ".")
	return override, os.WriteFile(override, fmt.Appendf(nil, "services: {%s: {env: {FLAGS_FILE: %q}}}\n", service, flags), 0o600)
}
