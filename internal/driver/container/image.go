package container

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/testcontainers/testcontainers-go"
)

const (
	defaultPullTimeout = 15 * time.Minute
	noticeEvery        = 5 * time.Second // between two lines about one pull
	registryTimeout    = 4 * time.Second // to say whether an image can be had
)

// ImageName returns what image to use for name under a prefix: the prefix and the last part of the name, so
// that "local/" gives "local/postgres:15" for "docker.io/library/postgres:15". An empty prefix keeps names.
func ImageName(prefix, name string) string {
	if prefix == "" || strings.HasPrefix(name, prefix) {
		return name
	}
	return prefix + name[strings.LastIndex(name, "/")+1:]
}

// ImageExists reports whether the engine has the image of that very name.
func ImageExists(ctx context.Context, name string) (bool, error) {
	cli, _, err := dial(ctx, "")
	if err != nil {
		return false, err
	}
	defer cli.Close()
	id, err := imageID(ctx, cli, name)
	return id != "", err
}

// CanFetch asks the registry of an image for it, through the engine, and says why it cannot be had.
func CanFetch(ctx context.Context, name string) error {
	cli, _, err := dial(ctx, "")
	if err != nil {
		return err
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	_, err = cli.DistributionInspect(ctx, name, registryAuth(ctx, cli, name))
	if ctx.Err() != nil {
		return fmt.Errorf("its registry does not answer within %v", registryTimeout)
	}
	if err != nil {
		return errors.New(oneLine(err))
	}
	return nil
}

// imageID returns "" where the engine does not have the image.
func imageID(ctx context.Context, cli *client.Client, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := cli.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("inspect image %s: %s", name, oneLine(err))
	}
	return found.ID, nil
}

// image returns the name and the id of the image to run for name. One that is there is never pulled. Under
// a prefix the prefixed name comes first, then the name itself, which is how images built here are called.
func (d *Driver) image(ctx context.Context, l *link, name string, say func(string)) (string, string, error) {
	want := ImageName(d.ImagePrefix, name)
	names := []string{want}
	if name != want {
		names = append(names, name)
	}
	for _, n := range names {
		if id, err := imageID(ctx, l.cli, n); err != nil || id != "" {
			return n, id, err
		}
	}
	timeout := d.PullTimeout
	if timeout == 0 {
		timeout = defaultPullTimeout
	}
	pulling, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := pull(pulling, l.cli, want, say); err != nil {
		if ctx.Err() == nil && pulling.Err() != nil {
			err = fmt.Errorf("not done within %v", timeout)
		}
		return "", "", fmt.Errorf("pull image %s: %s", want, oneLine(err))
	}
	id, err := imageID(ctx, l.cli, want)
	return want, id, err
}

// pull gets an image from its registry, with the credentials that the user's Docker configuration has.
func pull(ctx context.Context, cli *client.Client, name string, say func(string)) error {
	say("pulling image " + name)
	body, err := cli.ImagePull(ctx, name, image.PullOptions{RegistryAuth: registryAuth(ctx, cli, name)})
	if err != nil {
		return err
	}
	defer body.Close()
	var p progress
	next := time.Now().Add(noticeEvery)
	err = messages(body, func(m message) {
		if p.add(m); time.Now().After(next) {
			next = time.Now().Add(noticeEvery)
			say(fmt.Sprintf("pulling image %s: %s", name, p))
		}
	})
	if err == nil {
		say("pulled image " + name)
	}
	return err
}

// registryAuth is empty for images that anybody may pull.
func registryAuth(ctx context.Context, cli *client.Client, name string) string {
	defer settle(cli.DaemonHost())()
	_, auth, err := testcontainers.DockerImageAuth(ctx, name)
	if err != nil {
		return ""
	}
	b, err := json.Marshal(auth)
	if err != nil {
		return ""
	}
	return base64.URLEncoding.EncodeToString(b)
}

// message is one line of the engine's answer to a pull or a build.
type message struct {
	Stream   string `json:"stream"`
	Status   string `json:"status"`
	ID       string `json:"id"`
	Error    string `json:"error"`
	Progress struct {
		Current, Total int64
	} `json:"progressDetail"`
}

// messages calls fn for each message of an answer and returns the error that the engine put into it.
func messages(body io.Reader, fn func(message)) error {
	dec := json.NewDecoder(body)
	for {
		var m message
		switch err := dec.Decode(&m); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case m.Error != "":
			return errors.New(m.Error)
		}
		fn(m)
	}
}

// progress adds up the layers of a pull.
type progress struct{ layers map[string][2]int64 }

func (p *progress) add(m message) {
	if m.Status != "Downloading" || m.Progress.Total == 0 {
		return
	}
	if p.layers == nil {
		p.layers = map[string][2]int64{}
	}
	p.layers[m.ID] = [2]int64{m.Progress.Current, m.Progress.Total}
}

// String returns "12 of 80 MB".
func (p progress) String() string {
	var got, all int64
	for _, l := range p.layers {
		got, all = got+l[0], all+l[1]
	}
	return fmt.Sprintf("%d of %d MB", got>>20, all>>20)
}
