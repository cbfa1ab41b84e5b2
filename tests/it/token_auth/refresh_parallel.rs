//! One refresh token, shown by many at once on several threads.

use std::{collections::HashSet, sync::Arc, time::Duration};

use donjon::token_auth::{RefreshError, RefreshErrorKind, TokenPair};
use tokio::sync::Barrier;

use super::refresh::{App, app};

const MANY: usize = 100;

/// Shows the token a hundred times at once.
async fn storm(app: &App, token: &TokenPair) -> (Vec<TokenPair>, Vec<RefreshError>) {
    let start = Arc::new(Barrier::new(MANY));
    let uses: Vec<_> = (0..MANY)
        .map(|_| {
            let (tokens, token, start) = (app.tokens.clone(), token.refresh_token().to_owned(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                tokens.refresh(&token).await
            })
        })
        .collect();
    let (mut pairs, mut errors) = (Vec::new(), Vec::new());
    for one in uses {
        match one.await.unwrap() {
            Ok(pair) => pairs.push(pair),
            Err(error) => errors.push(error),
        }
    }
    (pairs, errors)
}

fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.collect::<HashSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_at_once_all_get_the_one_successor_and_a_later_replay_ends_the_family() {
    for _ in 0..10 {
        let app = app(|builder| builder);
        let first = app.start().await;
        let (pairs, errors) = storm(&app, &first).await;
        assert_eq!((pairs.len(), errors.len()), (MANY, 0));
        assert_eq!(distinct(pairs.iter().map(TokenPair::refresh_token)), 1, "one exchange, the rest by the grace");
        assert_eq!(distinct(pairs.iter().map(|pair| pair.access().id())), MANY);
        assert_eq!(distinct(pairs.iter().map(|pair| pair.session().as_str())), 1);
        assert!(pairs.iter().all(|pair| app.lets_in(pair)));

        let second = app.tokens.refresh(pairs[0].refresh_token()).await.unwrap();
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(app.tokens.refresh(first.refresh_token()).await.unwrap_err().kind(), RefreshErrorKind::Reused);
        assert!(pairs.iter().chain([&first, &second]).all(|pair| !app.lets_in(pair)), "all access tokens ended with it");
        let gone = app.tokens.refresh(second.refresh_token()).await.unwrap_err();
        assert_eq!(gone.kind(), RefreshErrorKind::Unknown);
        assert!(app.store.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_grace_one_of_a_hundred_wins_and_the_next_ends_the_family() {
    for _ in 0..10 {
        let app = app(|builder| builder.grace(Duration::ZERO));
        let first = app.start().await;
        let (pairs, errors) = storm(&app, &first).await;
        assert_eq!((pairs.len(), errors.len()), (1, MANY - 1));
        let count = |kind| errors.iter().filter(|error| error.kind() == kind).count();
        assert!(count(RefreshErrorKind::Reused) >= 1);
        assert_eq!(count(RefreshErrorKind::Reused) + count(RefreshErrorKind::Unknown), MANY - 1);
        assert!(!app.lets_in(&pairs[0]), "nobody can tell whether the winner is the thief");
        assert!(app.store.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_amid_a_hundred_refreshes_wins() {
    for _ in 0..10 {
        let app = app(|builder| builder);
        let first = app.start().await;
        let logout = {
            let (tokens, token) = (app.tokens.clone(), first.refresh_token().to_owned());
            tokio::spawn(async move { tokens.logout(&token).await })
        };
        let (pairs, errors) = storm(&app, &first).await;
        logout.await.unwrap().unwrap();
        assert_eq!(pairs.len() + errors.len(), MANY);
        assert!(errors.iter().all(|error| error.kind() == RefreshErrorKind::Unknown));
        for pair in pairs.iter().chain([&first]) {
            assert!(!app.lets_in(pair));
            assert_eq!(app.tokens.refresh(pair.refresh_token()).await.unwrap_err().kind(), RefreshErrorKind::Unknown);
        }
    }
}
