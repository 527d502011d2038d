package scaffold

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Remote fetches templates from git repositories with the git that is installed. Nothing that a repository brings is
// run, and none of its files is written out: they are read as they are, and kept in one archive.
type Remote struct {
	Cache    string            // folder of what was fetched; it is made
	Environ  []string          // as "NAME=value"
	MaxBytes int64             // that a repository may send and take on the disk; 0 means 64 MiB
	Timeout  time.Duration     // of one fetch; 0 means two minutes
	Progress func(bytes int64) // is told how much has come; nil: nobody
}

// Fetched is a template from a repository.
type Fetched struct {
	Source Source
	Files  fs.FS
	Digest string // sha256 of its names and contents, in hexadecimal digits
	Cached bool   // it was here already
}

// The bounds of one fetch.
const (
	maxFetch  = 64 << 20
	fetchTime = 2 * time.Minute
	watchTime = 50 * time.Millisecond // between two looks at the disk
)

// Fetch returns the template of a source, from the cache if it is there. The source must name a commit: what a tag or a
// branch stands for changes.
func (r Remote) Fetch(ctx context.Context, s Source) (*Fetched, error) {
	limit := orElse(r.Timeout, fetchTime)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %v", limit))
	defer cancel()
	data, cached, err := r.archive(ctx, s)
	if err != nil {
		return nil, remoteError(s, err)
	}
	files, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, remoteError(s, err)
	}
	sum, err := digest(files)
	if err != nil {
		return nil, remoteError(s, err)
	}
	if s.Digest != "" && s.Digest != sum {
		return nil, &RemoteError{s, fmt.Errorf("its content has sha256=%s", sum), "it is not what was seen before: ask who keeps it, and look at it anew"}
	}
	if !cached {
		if err := r.keep(s, data); err != nil {
			return nil, remoteError(s, err)
		}
	}
	return &Fetched{Source: s, Files: files, Digest: sum, Cached: cached}, nil
}

func orElse[T comparable](value, other T) T {
	var zero T
	if value == zero {
		return other
	}
	return value
}

func remoteError(s Source, err error) error {
	var known *RemoteError
	if errors.As(err, &known) {
		return err
	}
	return &RemoteError{Source: s, Err: err}
}

// archive returns the files of a source as a zip archive.
func (r Remote) archive(ctx context.Context, s Source) (data []byte, cached bool, err error) {
	if s.Pinned() {
		if data, ok := r.kept(s); ok {
			return data, true, nil
		}
	}
	if err := os.MkdirAll(r.Cache, 0o700); err != nil {
		return nil, false, err
	}
	r.tidy(time.Now())
	dir, err := os.MkdirTemp(r.Cache, fetching+"*")
	if err != nil {
		return nil, false, err
	}
	defer os.RemoveAll(dir)
	if err := r.begin(ctx, dir, s); err != nil {
		return nil, false, err
	}
	if !s.Pinned() {
		return nil, false, r.unpinned(ctx, dir, s)
	}
	if err := r.pull(ctx, dir, s); err != nil {
		return nil, false, err
	}
	data, err = r.read(ctx, dir, s)
	return data, false, err
}

// begin makes an empty repository, without hooks.
func (r Remote) begin(ctx context.Context, dir string, s Source) error {
	args := []string{"init", "--quiet", "--bare", "--template="}
	if len(s.Ref) == 64 && s.Pinned() {
		args = append(args, "--object-format=sha256")
	}
	_, err := r.run(ctx, dir, args...)
	return err
}

// unpinned is the error of a source that names no commit. It tells which one it stands for now.
func (r Remote) unpinned(ctx context.Context, dir string, s Source) error {
	if strings.Trim(s.Ref, "0123456789abcdef") == "" && len(s.Ref) >= 7 {
		return &RemoteError{s, fmt.Errorf("%s is no full id of a commit", s.Ref), "say all of its 40 digits: `git rev-parse " + s.Ref + "`"}
	}
	names := []string{"HEAD"}
	if s.Ref != "" && s.Ref != "HEAD" {
		names = []string{"refs/tags/" + s.Ref + "^{}", "refs/tags/" + s.Ref, "refs/heads/" + s.Ref}
	}
	said, err := r.run(ctx, dir, append([]string{"ls-remote", "--quiet", "--end-of-options", s.Remote}, names...)...)
	if err != nil {
		return err
	}
	at := map[string]string{}
	for line := range strings.Lines(said) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && commitForm.MatchString(id) {
			at[name] = id
		}
	}
	what := "it names no revision, and what is newest changes"
	if s.Ref != "" {
		what = s.Ref + " can change"
	}
	for _, name := range names {
		if id := at[name]; id != "" {
			pinned := s
			pinned.Ref = id
			return &RemoteError{s, fmt.Errorf("%s: a template is pinned to a commit", what), "now it is " + pinned.String()}
		}
	}
	return &RemoteError{s, fmt.Errorf("there is no tag or branch %s", orElse(s.Ref, "HEAD")), "say the full id of a commit"}
}

// pull brings one commit with its files, but those that no template may have, into the repository. It is stopped where
// it becomes too much.
func (r Remote) pull(ctx context.Context, dir string, s Source) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var watching sync.WaitGroup
	over := make(chan struct{})
	watching.Go(func() { r.watch(dir, over, stop) })
	_, err := r.run(ctx, dir, "fetch", "--quiet", "--no-tags", "--depth=1", "--no-write-fetch-head",
		fmt.Sprintf("--filter=blob:limit=%d", maxFile+1), "--end-of-options", s.Remote, s.Ref)
	close(over)
	watching.Wait()
	if err == nil && sizeOf(dir) > orElse(r.MaxBytes, maxFetch) {
		err = &tooLarge{orElse(r.MaxBytes, maxFetch)}
	}
	if err != nil {
		return err
	}
	// Nothing is to be fetched later, for what was left out.
	format := 0
	extension := ""
	if len(s.Ref) == 64 {
		format, extension = 1, "[extensions]\n\tobjectformat = sha256\n"
	}
	config := fmt.Sprintf("[core]\n\trepositoryformatversion = %d\n\tbare = true\n%s", format, extension)
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		return err
	}
	found, err := r.run(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", s.Ref+"^{commit}")
	if err != nil {
		return fmt.Errorf("%s is no commit", s.Ref)
	}
	if id := strings.TrimSpace(found); id != s.Ref {
		pinned := s
		pinned.Ref = id
		return &RemoteError{s, errors.New("its ref is a tag's"), "the commit is " + pinned.String()}
	}
	return nil
}

// watch stops a fetch whose folder grows over what it may.
func (r Remote) watch(dir string, over <-chan struct{}, stop context.CancelCauseFunc) {
	tick := time.NewTicker(watchTime)
	defer tick.Stop()
	most := orElse(r.MaxBytes, maxFetch)
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		size := sizeOf(dir)
		if r.Progress != nil {
			r.Progress(size)
		}
		if size > most {
			stop(&tooLarge{most})
			return
		}
	}
}

// tooLarge says that a repository is more than a template may come with.
type tooLarge struct{ most int64 }

func (e *tooLarge) Error() string {
	return fmt.Sprintf("its repository is over %d MiB at that commit", e.most>>20)
}

// sizeOf is what the files below dir hold.
func sizeOf(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil // what is gone meanwhile has no size
	})
	return size
}
