package cli

import (
	"fmt"
	"io"
	"path"
	"strings"

	"msctl.dev/msctl/scaffold"
)

// printChanges lists what would be done, and shows what changes in files that are there.
func printChanges(w io.Writer, changes []scaffold.Change) {
	for _, c := range changes {
		if c.Action != scaffold.Same {
			fmt.Fprintf(w, "%-8s %s\n", c.Action, c.Path)
		}
	}
	for _, c := range changes {
		if d := c.Diff(); d != "" && c.Path != "go.sum" { // hashes tell nobody anything
			fmt.Fprintf(w, "\n%s", cleanLines(d))
		}
	}
}

// summary tells of each folder how many files were written into it, and of each file that was changed.
func summary(changes []scaffold.Change) []string {
	var lines, order []string
	count := map[string]int{}
	for _, c := range changes {
		switch c.Action {
		case scaffold.Create:
			dir := folderOf(c.Path)
			if count[dir] == 0 {
				order = append(order, dir)
			}
			count[dir]++
		case scaffold.Edit, scaffold.Replace:
			lines = append(lines, "changed "+c.Path)
		}
	}
	var made []string
	for _, dir := range order {
		what := "1 file"
		if count[dir] > 1 {
			what = fmt.Sprintf("%d files", count[dir])
		}
		made = append(made, fmt.Sprintf("wrote %s (%s)", dir, what))
	}
	return append(made, lines...)
}

// folderOf is what a file is counted under: its folder, of two levels at most.
func folderOf(name string) string {
	parts := strings.Split(path.Dir(name), "/")
	if parts[0] == "." {
		return name
	}
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// cleanLines is clean for text of several lines.
func cleanLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(clean(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}
