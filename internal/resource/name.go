package resource

import (
	"regexp"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// nameServers gives each choice its server. Names hold the data together, so they depend on nothing but
// the resource itself: the kind's name where resources share a server, the image's where they say one,
// and the resource's where it has a server of its own. Only a name that something else has is changed.
func nameServers(st *stack.Stack, cs []Choice) {
	taken := map[string]bool{}
	for _, s := range st.Services {
		taken[s.Name] = true
	}
	for _, r := range st.Resources {
		taken[r.Name] = true
	}
	shared := map[string]string{} // wanted name, recipe and image: server
	for i, c := range cs {
		if c.Recipe.InFile {
			continue
		}
		want := wanted(c)
		key := want + " " + string(c.Recipe.Runtime) + " " + c.Image
		if shared[key] == "" || !sharing(c) {
			shared[key] = free(want, taken)
		}
		cs[i].Server = shared[key]
	}
}

// sharing reports that a resource lives on a server with others of its kind.
func sharing(c Choice) bool {
	return c.Kind.Shared && !c.Resource.Dedicated && c.Recipe != natsEmbedded
}

// wanted is the name of a choice's server where nothing else has it.
func wanted(c Choice) string {
	switch {
	case !sharing(c) && c.Resource.Name == c.Recipe.Name:
		return c.Recipe.Name + "-server"
	case !sharing(c):
		return c.Resource.Name + "-" + c.Recipe.Name
	case c.Resource.Image != "" && c.Image != "":
		if word := imageWord(c.Resource.Image); word != "" {
			return word
		}
	}
	return c.Recipe.Name
}

var notName = regexp.MustCompile("[^a-z0-9]+")

// imageWord makes "docker.io/library/postgres:16.4-alpine" the word "postgres-16-4-alpine".
func imageWord(image string) string {
	word := strings.ToLower(image[strings.LastIndex(image, "/")+1:])
	word, _, _ = strings.Cut(word, "@")
	word = notName.ReplaceAllString(word, "-")
	return strings.Trim(word[:min(len(word), 40)], "-")
}

// free returns name, or name with "-server" or a number, and takes it.
func free(name string, taken map[string]bool) string {
	got := name
	for n := 1; taken[got]; n++ {
		got = name + "-server"
		if n > 1 {
			got += "-" + strconv.Itoa(n)
		}
	}
	taken[got] = true
	return got
}
