"""The laws, pointed at something of the user's: `anyorder verify`.

    findings = examine(Ours(lm, decoder), Ours(lm, LeftToRight()), prompts)

A subject writes; a reference writes the same text one token at a time, and says how likely each
token was. `laws` compares the two, `draws` tests samples, and each finding is one sentence.
"""
