//! Tells templates, which become YAML only when rendered, from YAML that is merely broken.

/// Whether `text` holds template actions (`{{ … }}` of Helm and Jinja, `{% … %}`) outside comments and quotes.
pub(crate) fn looks_like_template(text: &str) -> bool {
    text.lines().any(line_has_action)
}

fn line_has_action(line: &str) -> bool {
    let bytes = line.as_bytes();
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let apart = before.is_none_or(|before| b" \t[{,:".contains(before));
        match (quote, byte) {
            (Some(open), byte) if *byte == open => quote = None,
            (None, b'"' | b'\'') if apart => quote = Some(*byte),
            (None, b'#') if before.is_none_or(|before| b" \t".contains(before)) => return false,
            (None, b'{') if matches!(bytes.get(at + 1), Some(b'{' | b'%')) => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_count_only_outside_comments_and_quotes() {
        assert!(looks_like_template("a: 1\n{{- if .Values.x }}\n"));
        assert!(looks_like_template("name: it's-{{ .Release.Name }}"));
        assert!(looks_like_template("{% for x in y %}"));
        assert!(!looks_like_template("# {{ x }}\nsummary: \"{{ $labels.pod }}\""));
    }
}
