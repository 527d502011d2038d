package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// ErrNoRepository says that the stack is in no git repository.
var ErrNoRepository = errors.New("the stack is in no git repository")

// ErrNoRevision says that a word names no commit of the repository.
var ErrNoRevision = errors.New("it is no revision of this repository")

// repository is the git repository in which a stack lies.
type repository struct {
	top    string // absolute
	prefix string // of the stack's folder below top: "" or "shop"
}

func openRepository(ctx context.Context, dir string) (repository, error) {
	out, err := git(ctx, dir, nil, "rev-parse", "--show-toplevel", "--show-prefix")
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return repository{}, fmt.Errorf("run git: %w", err)
		}
		return repository{}, fmt.Errorf("%w: %v", ErrNoRepository, err)
	}
	top, prefix, _ := strings.Cut(strings.TrimSuffix(string(out), "\n"), "\n")
	return repository{top, strings.TrimSuffix(prefix, "/")}, nil
}

// commit returns the full name of a commit.
func (r repository) commit(ctx context.Context, ref string) (string, error) {
	out, err := git(ctx, r.top, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("read revision %q: %w", ref, ErrNoRevision)
	}
	return strings.TrimSpace(string(out)), nil
}

// blobs reads contents by their names in git.
func (r repository) blobs(ctx context.Context, ids []string, most int) (map[string][]byte, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	out, err := git(ctx, r.top, strings.NewReader(strings.Join(ids, "\n")+"\n"), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for range ids {
		head, rest, _ := bytes.Cut(out, []byte("\n"))
		words := strings.Fields(string(head))
		if len(words) != 3 {
			return nil, fmt.Errorf("git says %q", head)
		}
		size, err := strconv.Atoi(words[2])
		if err != nil || size >= len(rest) {
			return nil, fmt.Errorf("git says %q", head)
		}
		if size > most {
			return nil, fmt.Errorf("%s is over %d bytes", words[0], most)
		}
		all[words[0]], out = rest[:size], rest[size+1:]
	}
	return all, nil
}

func git(ctx context.Context, dir string, in io.Reader, words ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, words...)...)
	var trouble bytes.Buffer
	cmd.Stdin, cmd.Stderr = in, &trouble
	out, err := cmd.Output()
	if text := strings.TrimSpace(trouble.String()); err != nil && text != "" {
		return nil, fmt.Errorf("git %s: %s", words[0], text)
	}
	if err != nil {
		return nil, fmt.Errorf("git %s: %w", words[0], err)
	}
	return out, nil
}
