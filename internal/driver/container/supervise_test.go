package container

import (
	"strconv"
	"testing"
)

// checkCount finds lines missing or double in the output of a program that counts.
func checkCount(t *testing.T, lines []string) {
	t.Helper()
	for i, l := range lines {
		if l != strconv.Itoa(i+1) {
			t.Fatalf("line %d is %q: lost or doubled", i+1, l)
		}
	}
}

func supervise([]string) int { return 2 }
