package written

import "strings"

// scanner reads as much of a shell's language as documents use.
type scanner struct {
	text, program string
	depth         int // of substitutions
	found         []Line
}

// commands reads up to the end of the text, or of the substitution it is in.
func (s *scanner) commands() {
	var words []string
	inner := 0 // subshells that are open
	for s.text != "" {
		switch c := s.text[0]; {
		case c == ')':
			s.skip(1)
			s.end(words)
			words = nil
			if inner == 0 && s.depth > 0 {
				return
			}
			inner--
		case strings.HasPrefix(s.text, "\\\n"):
			s.skip(2)
		case strings.ContainsRune("\n;|&(", rune(c)):
			s.skip(1)
			s.end(words)
			words = nil
			if c == '(' {
				inner++
			}
		case c == ' ' || c == '\t':
			s.skip(1)
		case c == '#':
			s.skip(len(s.text) - len(strings.TrimLeft(s.text, "#")))
			if at := strings.IndexByte(s.text, '\n'); at >= 0 {
				s.skip(at)
			} else {
				s.text = ""
			}
		case c == '>' || c == '<':
			s.skip(1)
			s.text = strings.TrimLeft(s.text, "> ")
			s.word()
		default:
			words = append(words, s.word())
		}
	}
	s.end(words)
}

// word reads one word without its quotes; a substitution becomes "$()".
func (s *scanner) word() string {
	var word strings.Builder
	for s.text != "" && !strings.ContainsRune(" \t\n;|&)>", rune(s.text[0])) {
		switch {
		case strings.HasPrefix(s.text, "\\\n"):
			return word.String()
		case strings.HasPrefix(s.text, "$("):
			s.skip(2)
			s.depth++
			s.commands()
			s.depth--
			word.WriteString("$()")
		case s.text[0] == '\'' || s.text[0] == '"':
			quote := s.text[0]
			s.skip(1)
			inside, _, _ := strings.Cut(s.text, string(quote))
			word.WriteString(inside)
			s.skip(min(len(inside)+1, len(s.text)))
		default:
			word.WriteByte(s.text[0])
			s.skip(1)
		}
	}
	return word.String()
}

func (s *scanner) skip(n int) { s.text = s.text[n:] }

// end keeps the words of a command when it is one of the program.
func (s *scanner) end(words []string) {
	for len(words) > 0 && assigned.MatchString(words[0]) {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != s.program {
		return
	}
	var l Line
	for i, word := range words[1:] {
		switch {
		case word == "..." || word == "…":
			l.Open = true
		case variable.MatchString(word) && !strings.HasPrefix(words[i], "-"):
			l.Open = true
		default:
			l.Words = append(l.Words, word)
		}
	}
	s.found = append(s.found, l)
}
