package container

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// imageUser runs the programs of images made by [BuildStatic]: nobody, as distroless images have it.
const imageUser = "65532:65532"

// BuildStatic makes the image tag from a static Linux binary, with no Dockerfile and no base: the binary as
// /service, the machine's root certificates and time zones where it has them, a user and a /tmp. An image
// with that tag and the same content is left as it is; one with another content loses the tag and, when
// nothing uses it, goes.
func BuildStatic(ctx context.Context, binary, tag string) error {
	if err := buildStatic(ctx, binary, tag); err != nil {
		return fmt.Errorf("build image %s: %w", tag, err)
	}
	return nil
}

func buildStatic(ctx context.Context, binary, tag string) error {
	if err := checkStatic(binary); err != nil {
		return err
	}
	sum, err := contentHash(binary)
	if err != nil {
		return err
	}
	cli, _, err := dial(ctx, "")
	if err != nil {
		return err
	}
	defer cli.Close()
	old, err := cli.ImageInspect(ctx, tag)
	if err == nil && old.Config != nil && old.Config.Labels[labelBinary] == sum {
		return nil
	}
	if err := importImage(ctx, cli, binary, tag, sum); err != nil {
		return err
	}
	dropOld(ctx, cli, old, tag)
	return nil
}

// dropOld removes an image that has just lost its only tag, unless it is in use or still the same.
func dropOld(ctx context.Context, cli *client.Client, old image.InspectResponse, tag string) {
	if old.ID == "" || len(old.RepoTags) != 1 {
		return
	}
	if id, err := imageID(ctx, cli, tag); err == nil && id != old.ID {
		_, _ = cli.ImageRemove(ctx, old.ID, image.RemoveOptions{PruneChildren: true})
	}
}

// importImage streams the root file system to the engine: one call, one layer, no build container.
func importImage(ctx context.Context, cli *client.Client, binary, tag, sum string) error {
	r, w := io.Pipe()
	defer r.Close()
	go func() { w.CloseWithError(writeRoot(w, binary)) }()
	body, err := cli.ImageImport(ctx, image.ImportSource{Source: r, SourceName: "-"}, tag, image.ImportOptions{Changes: []string{
		`ENTRYPOINT ["/service"]`, "USER " + imageUser, "ENV SSL_CERT_FILE=" + certFile, "LABEL " + labelBinary + "=" + sum}})
	if err != nil {
		return errors.New(oneLine(err))
	}
	defer body.Close()
	return messages(body, func(message) {})
}

const (
	certFile = "/etc/ssl/certs/ca-certificates.crt"
	zoneDir  = "/usr/share/zoneinfo"
)

// certFiles are the places where systems keep the certificates that they trust.
func certFiles() []string {
	return []string{certFile, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"}
}

// writeRoot writes the file system of an image as a tar archive.
func writeRoot(w io.Writer, binary string) error {
	t := tar.NewWriter(w)
	for _, dir := range []string{"etc/", "etc/ssl/", "etc/ssl/certs/", "usr/", "usr/share/"} {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}); err != nil {
			return err
		}
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	passwd := "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65532:65532:nobody:/tmp:/sbin/nologin\n"
	group := "root:x:0:\nnobody:x:65532:\n"
	if err := errors.Join(addBytes(t, "etc/passwd", passwd), addBytes(t, "etc/group", group)); err != nil {
		return err
	}
	for _, f := range certFiles() {
		if b, err := os.ReadFile(f); err == nil {
			if err := addBytes(t, strings.TrimPrefix(certFile, "/"), string(b)); err != nil {
				return err
			}
			break
		}
	}
	if err := addZones(t); err != nil {
		return err
	}
	return errors.Join(addFile(t, "service", binary, 0o755), t.Close())
}

// addZones adds the machine's time zones, the copies with leap seconds apart.
func addZones(t *tar.Writer) error {
	return filepath.WalkDir(zoneDir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return nil // no zones here: programs then know UTC only
		}
		name := strings.TrimPrefix(path, "/")
		switch {
		case e.IsDir() && (e.Name() == "posix" || e.Name() == "right"):
			return filepath.SkipDir
		case e.IsDir():
			return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(b, []byte("TZif")) {
			return nil
		}
		return addBytes(t, name, string(b))
	})
}

func addBytes(t *tar.Writer, name, content string) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := io.WriteString(t, content)
	return err
}

func addFile(t *tar.Writer, name, path string, mode int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// checkStatic refuses what could not start in an image that holds nothing else.
func checkStatic(binary string) error {
	f, err := elf.Open(binary)
	if err != nil {
		return fmt.Errorf("read %s: not a Linux binary: build it with GOOS=linux", binary)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("read %s: not a static binary: build it with CGO_ENABLED=0", binary)
		}
	}
	return nil
}

func contentHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
