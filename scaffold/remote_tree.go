package scaffold

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// member is one file of a commit.
type member struct{ mode, id, name string }

// read returns the files of the template's folder as an archive. They are what the commit holds, byte for byte: no
// attribute, filter or submodule has a say.
func (r Remote) read(ctx context.Context, dir string, s Source) ([]byte, error) {
	tree := s.Ref + ":"
	if s.Folder != "." {
		tree += s.Folder
	}
	if kind, err := r.run(ctx, dir, "cat-file", "-t", tree); err != nil || strings.TrimSpace(kind) != "tree" {
		return nil, fmt.Errorf("there is no folder %s in that commit", s.Folder)
	}
	all, err := r.members(ctx, dir, tree)
	if err != nil {
		return nil, err
	}
	return r.contents(ctx, dir, all)
}

// members lists the files below a tree, and refuses what is none.
func (r Remote) members(ctx context.Context, dir, tree string) ([]member, error) {
	var all []member
	seen := map[string]bool{}
	err := r.stream(ctx, r.git(ctx, dir, "ls-tree", "-r", "-z", "--full-tree", tree), func(out *bufio.Reader) error {
		for {
			line, err := out.ReadSlice(0)
			if err == io.EOF && len(line) == 0 {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read template: a name in it is too long: %w", err)
			}
			e, err := parseMember(string(line[:len(line)-1]))
			if err != nil {
				return err
			}
			if seen[e.name] {
				return fmt.Errorf("read %q: it is there twice", e.name)
			}
			seen[e.name] = true
			if all = append(all, e); len(all) > maxFiles+1 { // the manifest is not counted
				return fmt.Errorf("read template: it has over %d files", maxFiles)
			}
		}
	})
	return all, err
}

// parseMember reads a line of `git ls-tree`.
func parseMember(line string) (member, error) {
	facts, name, _ := strings.Cut(line, "\t")
	words := strings.Fields(facts)
	if len(words) != 3 {
		return member{}, fmt.Errorf("read template: %q is no file of a commit", line)
	}
	e := member{mode: words[0], id: words[2], name: name}
	part := func(p string) bool { return kept[strings.ToLower(p)] != "" }
	switch {
	case !fs.ValidPath(name) || !oneLine(name) || strings.Contains(name, `\`):
		return e, fmt.Errorf("read %q: it is not a name below the template", name)
	case slices.ContainsFunc(strings.Split(name, "/"), part):
		return e, fmt.Errorf("read %q: it is no template's to bring", name)
	case e.mode == "160000":
		return e, fmt.Errorf("read %s: it is a submodule, which is not fetched", name)
	case e.mode == "120000":
		return e, fmt.Errorf("read %s: it is a link or no file", name)
	case words[1] != "blob":
		return e, fmt.Errorf("read %s: it is a link or no file", name)
	}
	return e, nil
}

// contents puts the files into an archive.
func (r Remote) contents(ctx context.Context, dir string, all []member) ([]byte, error) {
	var ids strings.Builder
	for _, e := range all {
		ids.WriteString(e.id + "\n")
	}
	cmd := r.git(ctx, dir, "cat-file", "--batch")
	cmd.Stdin = strings.NewReader(ids.String())
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	total := 0
	err := r.stream(ctx, cmd, func(out *bufio.Reader) error {
		for _, e := range all {
			data, err := blob(out, e)
			if err != nil {
				return err
			}
			if total += len(data); total > maxTotal {
				return fmt.Errorf("read template: it is over %d MiB", maxTotal>>20)
			}
			w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Store})
			if err != nil {
				return err
			}
			if _, err := w.Write(data); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = z.Close()
	return archive.Bytes(), err
}

// blob reads what `git cat-file --batch` says of one file.
func blob(out *bufio.Reader, e member) ([]byte, error) {
	line, err := out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", e.name, err)
	}
	words := strings.Fields(line)
	size := int64(maxFile + 1) // it was left out, because it is over that
	if len(words) == 3 {
		if size, err = strconv.ParseInt(words[2], 10, 64); err != nil {
			return nil, fmt.Errorf("read %s: %w", e.name, err)
		}
	}
	if size > maxFile {
		return nil, fmt.Errorf("read %s: it is over %d KiB", e.name, maxFile>>10)
	}
	data := make([]byte, size+1) // and the end of the line
	if _, err := io.ReadFull(out, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", e.name, err)
	}
	data = data[:size]
	if bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/spec/")) {
		return nil, fmt.Errorf("read %s: it is kept by Git LFS, which is not fetched", e.name)
	}
	return data, nil
}

// stream runs git and hands on what it prints as it comes. Where do has had enough, git is ended.
func (r Remote) stream(ctx context.Context, cmd *exec.Cmd, do func(*bufio.Reader) error) error {
	var said head
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return gitFailed(ctx, err, "")
	}
	if err := do(bufio.NewReaderSize(out, 64<<10)); err != nil {
		_ = cmd.Cancel()
		_ = cmd.Wait()
		return err
	}
	if err := cmd.Wait(); err != nil {
		return gitFailed(ctx, err, said.String())
	}
	return nil
}

// digest is the sha256 of the lines "SHA256  NAME" of all files, in the order of their names: what
// `find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum` would say, without the ./ of its names.
func digest(files fs.FS) (string, error) {
	var names []string
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	slices.Sort(names)
	all := sha256.New()
	for _, name := range names {
		data, err := read(files, name, maxFile)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(all, "%x  %s\n", sha256.Sum256(data), name)
	}
	return fmt.Sprintf("%x", all.Sum(nil)), nil
}

// sound reports whether an archive can be read to its end, so that a damaged one is fetched anew.
func sound(data []byte) bool {
	files, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return false
	}
	_, err = digest(files)
	return err == nil
}
