//! The words of the generated tellers. `{n}` is the asset's name, `{t}` its cashtag, `{s}` what the
//! story is about. General market language only: nothing here is said of the real companies.

/// What a newsroom writes of a story that reads well.
pub(super) const NEWS_POSITIVE: [&str; 16] = [
    "Demand for {s} rises as {n} gains momentum",
    "{n} shares climb on strong {s}",
    "Analysts optimistic about {n} and its {s}",
    "{s} boosts growth outlook for {n}",
    "Robust {s} lifts {n} above expectations",
    "{n} seen as a winner of improving {s}",
    "Investors confident as {s} accelerates at {n}",
    "Healthy {s} supports higher targets for {n}",
    "Upside in {s} makes {n} attractive, desks say",
    "{n}: {s} better than expected, channel checks show",
    "Bullish notes on {n} point to {s}",
    "{s} improves again, a solid sign for {n}",
    "{n} rallies with {s} in focus",
    "Positive surprise in {s} strengthens case for {n}",
    "{n} upgraded by several desks on {s}",
    "Interest in {n} grows with successful {s}",
];

/// What a newsroom writes of a story that reads badly.
pub(super) const NEWS_NEGATIVE: [&str; 16] = [
    "Demand for {s} slows, a drag on {n}",
    "{n} shares slip on weak {s}",
    "Analysts cautious about {n} and its {s}",
    "Concerns over {s} put {n} under pressure",
    "Soft {s} leaves {n} below expectations",
    "{n} seen losing ground as {s} falls behind",
    "Investors worried as {s} slows at {n}",
    "Disappointing {s} drags targets for {n} lower",
    "Downside in {s} makes {n} risky, desks say",
    "{n}: {s} worse than expected, channel checks show",
    "Bearish notes on {n} point to {s}",
    "{s} declines again, a warning for {n}",
    "{n} slumps with {s} in focus",
    "Negative surprise in {s} weakens case for {n}, risks rise",
    "{n} downgraded by several desks on {s}",
    "Uncertainty about {n} deepens with failing {s}",
];

/// What a newsroom writes without taking sides.
pub(super) const NEWS_NEUTRAL: [&str; 8] = [
    "{n} and its {s}: what to watch",
    "How {s} fits into the picture at {n}",
    "Five questions about {n} and {s}",
    "{n} to speak about {s} at a conference",
    "Explainer: {s} and why {n} talks about it",
    "{n}: a closer look at {s}",
    "What desks ask {n} about {s}",
    "{s} on the agenda as {n} meets investors",
];

/// What a crowd posts when it likes a story.
pub(super) const POST_POSITIVE: [&str; 16] = [
    "{t} {s} looks bullish, loading calls",
    "{t} breakout coming, {s} is strong 🚀",
    "everyone sleeping on {n} {s}, holding long {t}",
    "{s} numbers are great, {t} undervalued here",
    "told you {s} would boost {t}, gains ahead",
    "{t} love the {s} story, adding more, upside is huge",
    "{n} {s} improving every week, bullish {t}",
    "{t} to the moon if {s} keeps growing",
    "checked the {s} data myself, very strong, long {t}",
    "{t} {s} = growth, the best opportunity in this market",
    "accumulating {t}, {s} is a winner",
    "{t} rallying soon on {s}, diamond hands",
    "buyers excited about {n} {s}, {t} looks solid",
    "more good news on {s}, {t} strength continues",
    "{s} beats what anyone expected, {t} calls it is",
    "{t} {s} momentum accelerating, holding strong",
];

/// What a crowd posts when it dislikes a story.
pub(super) const POST_NEGATIVE: [&str; 16] = [
    "{t} {s} looks bearish, loading puts",
    "{t} breaking down, {s} is weak 📉",
    "everyone ignoring {n} {s}, staying short {t}",
    "{s} numbers are terrible, {t} overvalued here",
    "told you {s} would hurt {t}, losses ahead",
    "{t} hate the {s} story, selling, downside is huge",
    "{n} {s} getting worse every week, bearish {t}",
    "{t} going down if {s} keeps falling",
    "checked the {s} data myself, very weak, puts on {t}",
    "{t} {s} = trouble, the worst risk in this market",
    "dumping {t}, {s} is a loser",
    "{t} tumbling soon on {s}, stay away",
    "sellers nervous about {n} {s}, {t} looks weak",
    "more bad news on {s}, {t} weakness continues",
    "{s} misses what anyone expected, {t} puts it is",
    "{t} {s} fading, red days, sinking feeling",
];

/// What a crowd posts when it has no opinion.
pub(super) const POST_NEUTRAL: [&str; 8] = [
    "anyone following {n} {s}? {t}",
    "{t} thoughts on {s}?",
    "reading up on {s} tonight {t}",
    "so what is the deal with {n} and {s}",
    "{t} {s} thread, post your notes",
    "does {s} even matter for {t}",
    "{n} {s} again in my feed {t}",
    "waiting to see what {s} means for {t}",
];

/// Small talk without a story; `{s}` is not used.
pub(super) const CHATTER_NEUTRAL: [&str; 14] = [
    "{t} on my watchlist this week",
    "{n} chart, levels marked, see thread {t}",
    "{t} volume about average today",
    "lunch break poll: {t} this quarter?",
    "{n} in the morning notes",
    "{t} options expire on friday",
    "which broker do you use for {t}",
    "{n} calendar: nothing scheduled {t}",
    "sideways again {t}",
    "new here, how do you follow {n}",
    "{t} range bound since yesterday",
    "podcast about {n} and its history",
    "weekend reading on {n}",
    "{t} same price as last week, see you tomorrow",
];

/// Small talk in a good mood.
pub(super) const CHATTER_POSITIVE: [&str; 6] = [
    "{t} looks good to me",
    "nice candle on {t}",
    "bought a little {t} today",
    "{n} still my best position {t}",
    "happy with {t} so far",
    "{t} higher again, wow",
];

/// Small talk in a bad mood.
pub(super) const CHATTER_NEGATIVE: [&str; 6] = [
    "{t} looks weak to me",
    "ugly candle on {t}, sad",
    "sold a little {t} today, bored",
    "{n} my worst position {t}",
    "tired of {t} so far",
    "{t} lower again, ugh",
];

/// Market talk that names no asset, of crypto boards.
pub(super) const CRYPTO_TALK: [&str; 10] = [
    "daily discussion thread",
    "which wallet do you recommend",
    "how do you track your coins for the accountant",
    "hardware wallet question from a beginner",
    "what got you into all this, share your story",
    "weekly skeptics thread",
    "moving coins between chains, any guide",
    "what is your plan for this cycle",
    "conference talk recordings are online",
    "explain consensus to my grandmother",
];

/// When, added to some texts for variety.
pub(super) const WHEN: [&str; 10] = [
    "this morning",
    "into the close",
    "ahead of the open",
    "in quiet trade",
    "for a second week",
    "after a long pause",
    "as the month ends",
    "before the weekend",
    "in a busy session",
    "overnight",
];

/// Second sentences of longer items.
pub(super) const SECOND: [&str; 8] = [
    "Desks expect the theme to stay in focus.",
    "Volumes were in line with recent weeks.",
    "The topic has come up in several notes.",
    "Traders compare it with earlier cycles.",
    "More details may follow in the coming days.",
    "Positioning data will be watched.",
    "Opinions differ on how fast it matters.",
    "The discussion began on message boards.",
];
