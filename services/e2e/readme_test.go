package e2e_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// patterns are those of which the fleet's description speaks; each has a row in README.md.
var patterns = []string{
	"tokens", "roles", "rate limit", "idempotency keys", "strangler", "anti-corruption layer", "BFF, aggregator", "database per service",
	"saga with compensation", "event sourcing", "CQRS", "outbox", "inbox", "eventual consistency", "cache-aside, stampede protection",
	"batch reads", "circuit breaker", "timeouts", "retries with a budget", "fallback", "bulkhead", "graceful stop", "feature flags",
	"API versions", "gRPC", "OpenAPI", "replicas",
}

// TestEveryPatternHasItsTest reads the table of README.md: no pattern is missing, and each row names tests
// and files that are there.
func TestEveryPatternHasItsTest(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Patterns")
	table, _, _ = strings.Cut(table, "\n## ")
	tests, named := testsBelow(t, ".."), regexp.MustCompile(`Test\w+`)
	var rows []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if len(cells) < 4 || strings.HasPrefix(line, "| pattern") || strings.HasPrefix(line, "| ---") {
			continue
		}
		rows = append(rows, cells[0])
		found := named.FindAllString(cells[2], -1)
		if len(found) == 0 {
			t.Errorf("%s: no test", cells[0])
		}
		for _, name := range found {
			if !tests[name] {
				t.Errorf("%s: there is no %s", cells[0], name)
			}
		}
	}
	for _, p := range patterns {
		if !strings.Contains(strings.Join(rows, "\n"), p) {
			t.Errorf("no row for %q", p)
		}
	}
}

// testsBelow returns the names of the tests in a folder and those below.
func testsBelow(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
