package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/docker/docker/api/types/build"
	"github.com/moby/go-archive"
	"github.com/moby/patternmatcher/ignorefile"
)

// Build makes the image tag from a folder and the Dockerfile in it ("" means "Dockerfile"), with the engine's
// classic builder, which is there everywhere. What the builder says goes to out. The image that had the tag
// before goes when nothing uses it.
func Build(ctx context.Context, dir, dockerfile, tag string, out io.Writer) error {
	cli, _, err := dial(ctx, "")
	if err != nil {
		return fmt.Errorf("build image %s: %w", tag, err)
	}
	defer cli.Close()
	if dockerfile == "" {
		dockerfile = "Dockerfile"
	}
	files, err := archiveOf(dir, dockerfile)
	if err != nil {
		return fmt.Errorf("build image %s: %w", tag, err)
	}
	defer files.Close()
	old, _ := cli.ImageInspect(ctx, tag) // the zero value where there is none
	answer, err := cli.ImageBuild(ctx, files, build.ImageBuildOptions{
		Tags: []string{tag}, Dockerfile: filepath.ToSlash(dockerfile), Remove: true, ForceRemove: true})
	if err != nil {
		return fmt.Errorf("build image %s: %s", tag, oneLine(err))
	}
	defer answer.Body.Close()
	err = messages(answer.Body, func(m message) {
		if text := m.Stream + m.Status; text != "" {
			_, _ = io.WriteString(out, text)
		}
	})
	if err != nil {
		return fmt.Errorf("build image %s: %s", tag, oneLine(err))
	}
	dropOld(ctx, cli, old, tag)
	return nil
}

// archiveOf packs a folder, what its .dockerignore names apart; the builder needs two files all the same.
func archiveOf(dir, dockerfile string) (io.ReadCloser, error) {
	if _, err := os.Stat(filepath.Join(dir, dockerfile)); err != nil {
		return nil, err
	}
	opts := &archive.TarOptions{IncludeFiles: []string{".", dockerfile}}
	f, err := os.Open(filepath.Join(dir, ".dockerignore"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		defer f.Close()
		if opts.ExcludePatterns, err = ignorefile.ReadAll(f); err != nil {
			return nil, fmt.Errorf("read .dockerignore: %w", err)
		}
		opts.IncludeFiles = append(opts.IncludeFiles, ".dockerignore")
	}
	return archive.TarWithOptions(dir, opts)
}
