package scaffold

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Where the kit and the modules that it needs are among msctl's own files.
const (
	kitFolder = "services/kit"
	kitModule = "msctl.dev/msctl/" + kitFolder
	kitMod    = "templates/kit.mod.txt"
	kitSum    = "templates/kit.sum.txt"
	moreMod   = "templates/more.mod.txt" // what some templates need beside
	moreSum   = "templates/more.sum.txt"
)

// Kit renders the kit of the reference fleet as a stack's own code at folder, under the stack's module.
// Tests that need more than the kit itself stay behind, with those beside them, which may share their helpers.
func Kit(files fs.FS, module, folder string) ([]Output, error) {
	var out []Output
	bound := map[string]bool{} // folders whose tests need msctl
	err := fs.WalkDir(files, kitFolder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(data), kitModule, module+"/"+folder)
		if strings.Contains(text, `"msctl.dev/msctl/`) {
			if !strings.HasSuffix(name, "_test.go") {
				return fmt.Errorf("render %s: it imports msctl", name)
			}
			bound[path.Dir(strings.TrimPrefix(name, kitFolder))] = true
			return nil
		}
		out = append(out, Output{Path: path.Join(folder, strings.TrimPrefix(name, kitFolder)), Data: []byte(text)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("render kit: %w", err)
	}
	return slices.DeleteFunc(out, func(o Output) bool {
		return strings.HasSuffix(o.Path, "_test.go") && bound[path.Dir(strings.TrimPrefix(o.Path, folder))]
	}), nil
}

// HasKit reports whether a stack has a kit at folder: then it is its own, and is not written again.
func HasKit(stack fs.FS, folder string) bool {
	_, err := fs.Stat(stack, path.Join(folder, "doc.go"))
	return err == nil
}
