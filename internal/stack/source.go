package stack

import (
	"os"
	"path/filepath"
	"strconv"
)

// source finds out what a service is made of.
func (l *loader) source(d *serviceDraft) {
	s := &d.Service
	ok := true
	if s.Path != "" {
		s.Source, ok = l.folder(l.keyPos(s, "path"), "path", s.Path)
	}
	workDir := l.st.Dir
	if s.Source != "" {
		workDir = s.Source
	}
	if s.Dir != "" {
		workDir, _ = l.folder(l.keyPos(s, "dir"), "dir", s.Dir)
	}
	s.Dir = workDir
	if ok {
		s.Language = l.language(s)
		l.run(s, d.run)
	}
}

func (l *loader) language(s *Service) Language {
	switch {
	case s.Image != "" && s.Build != nil:
		l.fail(s.Build.Pos, "take one of them away", "service %q has an image and a build", s.Name)
		return Image
	case s.Image != "":
		return Image
	case s.Build != nil && s.Build.Dockerfile != "":
		return Dockerfile
	case len(s.Command) > 0:
		return Command
	case s.Path == "" && l.brokenUnit("services", s.Name):
		return ""
	case s.Path == "":
		l.fail(s.Pos, "add path, command or image", "service %q does not say what runs", s.Name)
		return ""
	}
	lang, hint := l.detect(s.Source)
	if lang == "" {
		l.fail(l.keyPos(s, "path"), hint, "service %q: no known language in %s", s.Name, s.Path)
	}
	return lang
}

// detect remembers what each folder holds, since many services may share one.
func (l *loader) detect(dir string) (Language, string) {
	if lang, known := l.languages[dir]; known {
		return lang, ""
	}
	lang, hint := detect(dir)
	if lang != "" {
		l.languages[dir] = lang
	}
	return lang, hint
}

// run settles where a service runs and which Dockerfile its image is made from.
func (l *loader) run(s *Service, said string) {
	engine := s.Language == Image || s.Language == Dockerfile
	if s.Run = said; said == "" {
		s.Run = "process"
		if engine {
			s.Run = "container"
		}
	}
	if said == "process" && engine {
		l.fail(l.keyPos(s, "run"), "leave run away, or say command", "service %q is an image and cannot run as a process", s.Name)
	}
	if s.Run == "container" {
		l.image(s)
	} else {
		l.behindPorts(s)
	}
}

// image finds what the image of a service is made from.
func (l *loader) image(s *Service) {
	if s.Language == Image {
		return
	}
	if s.Build == nil {
		s.Build = &Build{Pos: s.Pos}
	}
	file := s.Build.Dockerfile
	if file == "" && s.Source != "" && exists(filepath.Join(s.Source, "Dockerfile")) {
		file = "Dockerfile"
	}
	s.Build.Dockerfile = file
	switch {
	case file == "" && s.Language != Go:
		l.fail(l.keyPos(s, "run"), "add a Dockerfile, or say image", "service %q has nothing to make an image from", s.Name)
	case file != "" && s.Source == "":
		l.fail(s.Build.Pos, "add path, the folder of the Dockerfile", "service %q has no path", s.Name)
	case file != "" && !exists(filepath.Join(s.Source, file)):
		l.fail(s.Build.Pos, "", "service %q: there is no %s in %s", s.Name, shorten(file), s.Path)
	}
}

// behindPorts checks the ports behind those that msctl holds, or that the engine leads into a container.
func (l *loader) behindPorts(s *Service) {
	for _, p := range s.Listen {
		switch {
		case p.Inside <= 0 || s.InContainer():
		case p.Inside == p.Port:
			l.fail(p.Pos, "write "+strconv.Itoa(p.Port)+", or auto behind the colon",
				"service %q cannot open the port %d that msctl holds in front of it", s.Name, p.Port)
		case s.Replicas > 1:
			l.fail(p.Pos, "write auto behind the colon", "the replicas of %q cannot all open port %d", s.Name, p.Inside)
		}
	}
}

// folder makes the absolute path of a folder that the file names, and checks that it is one.
func (l *loader) folder(pos Pos, key, path string) (string, bool) {
	abs := l.absolute(path)
	if !isFolder(abs) {
		l.fail(pos, suggestFolder(abs), "%s %s is not a folder", key, shorten(path))
		return abs, false
	}
	return abs, true
}

// suggestFolder returns the nearest name beside a folder that is not there.
func suggestFolder(path string) string {
	var beside []string
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if e.IsDir() {
			beside = append(beside, e.Name())
		}
	}
	if hint := suggest(filepath.Base(path), beside); hint != "" {
		return hint
	}
	return "paths begin at the folder of " + FileName
}

func (l *loader) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.st.Dir, filepath.FromSlash(path))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
